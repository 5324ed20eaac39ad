/* test_license_races.c: requests that act on one customer's licences at the same moment. */
#include "support/billing_fixture.h"

#include "issuing/license_revocation.h"

#include <pthread.h>

struct actor;

typedef enum fail action(struct actor *);

/* One of several threads that act on the customer at once, each with its own connection. */
struct actor {
	pthread_t thread;
	struct task task;
	struct operation operation;
	action *act;
	enum fail kind;
	struct issued_license license;
};

static void *
run_actor(void *argument)
{
	struct actor *actor = (struct actor *)argument;

	actor->kind = actor->act(actor);
	db_rollback_to(actor->operation.db, 0);
	return NULL;
}

static void
start(struct actor *actor, action *act)
{
	*actor = (struct actor){.task = suite_task(), .operation = operation, .act = act};
	actor->task.request_id = "actor";
	actor->operation.task = &actor->task;
	actor->operation.db = database_open(database_url(), DATABASE_PATIENT_MS, true);
	ck_assert_int_eq(pthread_create(&actor->thread, NULL, run_actor, actor), 0);
}

static void
end(struct actor *actor)
{
	ck_assert_int_eq(pthread_join(actor->thread, NULL), 0);
	ck_assert_msg(actor->kind == FAIL_NONE, "%s", actor->task.failure.message);
	db_free(actor->operation.db);
}

static enum fail
hand_out(struct actor *actor)
{
	struct subscription seen;

	return license_current(&actor->operation, customer_id, &actor->license, &seen);
}

static enum fail
rotate(struct actor *actor)
{
	struct subscription seen;

	return license_rotate(&actor->operation, customer_id, &actor->license, &seen);
}

static enum fail
revoke_all(struct actor *actor)
{
	return account_revoke_licenses(&actor->operation, customer_id, "test");
}

/* A new licence waits for a revocation that is not committed yet, and then takes it into
 * account. */
START_TEST(test_revocation_in_progress)
{
	struct actor actor;

	operation.now_ms = NOW_MS + 2 * DAY_MS;
	fine(db_begin(operation.db, &task));
	fine(subscription_cancel(&operation, customer_id));
	fine(license_revoke_all(&operation, customer_id, "test", NULL));
	start(&actor, hand_out);
	for (int tries = 0; tries < 2000 && count_of("SELECT count(*) FROM pg_locks WHERE"
	                                             " NOT granted AND ''::text <> ",
	                                             "") == 0;
	     tries++)
		usleep(5000);
	ck_assert_int_eq(count_of(LICENSES, ""), 1);
	fine(db_commit(operation.db, &task));
	end(&actor);
	ck_assert(says(&actor.license, "\"status\":\"canceled\""));
	ck_assert_int_eq(count_of(LICENSES, " AND revoked_at IS NULL"), 1);
	suite_task_end(&actor.task);
}
END_TEST

enum { ACTORS = 8 };

START_TEST(test_many_issue_at_once)
{
	struct actor actors[ACTORS];

	operation.now_ms = NOW_MS + 2 * DAY_MS;
	for (int i = 0; i < ACTORS; i++)
		start(&actors[i], hand_out);
	for (int i = 0; i < ACTORS; i++) {
		end(&actors[i]);
		ck_assert(says(&actors[i].license, customer_id));
		ck_assert_int_eq(
		        count_of(arena_printf(task.arena,
		                              "SELECT count(*) FROM licenses WHERE jti ="
		                              " '%s' AND customer_id = ",
		                              actors[i].license.jti),
		                 ""),
		        1);
		suite_task_end(&actors[i].task);
	}
	ck_assert_int_le(count_of(LICENSES, ""), 1 + ACTORS);
}
END_TEST

START_TEST(test_many_rotate)
{
	struct actor actors[ACTORS];

	for (int i = 0; i < ACTORS; i++)
		start(&actors[i], rotate);
	for (int i = 0; i < ACTORS; i++) {
		end(&actors[i]);
		suite_task_end(&actors[i].task);
	}
	ck_assert_int_eq(count_of(LICENSES, ""), 1 + ACTORS);
	ck_assert_int_eq(count_of(LICENSES, " AND revoked_at IS NULL"), 1);
}
END_TEST

/* In every order of the steps, no licence from before the revocation stays valid. */
START_TEST(test_revocation_among_others)
{
	static action *const acts[ACTORS] = {hand_out, rotate, hand_out, revoke_all,
	                                     hand_out, rotate, hand_out, rotate};
	struct actor actors[ACTORS];
	const char *payload;

	operation.now_ms = NOW_MS + 2 * DAY_MS;
	for (int i = 0; i < ACTORS; i++)
		start(&actors[i], acts[i]);
	for (int i = 0; i < ACTORS; i++)
		end(&actors[i]);
	for (int i = 0; i < ACTORS; i++) {
		if (acts[i] != revoke_all &&
		    check(actors[i].license.token, &payload) == LICENSE_VALID)
			ck_assert_ptr_nonnull(strstr(payload, "\"status\":\"canceled\""));
		suite_task_end(&actors[i].task);
	}
	ck_assert_int_eq(check(signed_up.license->token, &payload), LICENSE_REVOKED);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("license_races");
	TCase *tcase = fixture_case("races");

	tcase_add_test(tcase, test_revocation_in_progress);
	tcase_add_test(tcase, test_many_issue_at_once);
	tcase_add_test(tcase, test_many_rotate);
	tcase_add_loop_test(tcase, test_revocation_among_others, 0, 5);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
