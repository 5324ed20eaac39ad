/* billing_fixture.h: an installation with this project's plans, a signing key and a database,
 * and a customer that just signed up. */
#pragma once

#include "support/database.h"
#include "support/forge.h"

#include "accounts/accounts.h"
#include "base/random.h"
#include "issuing/license_records.h"
#include "issuing/licenses.h"

#define LICENSES "SELECT count(*) FROM licenses WHERE customer_id = "
#define NOW_MS (FORGE_NOW_S * SECOND_MS + 123)

static struct task task;
static struct billing billing;
static struct license_keys keys, other_keys;
static struct operation operation;
static struct sign_up signed_up;
static const char *customer_id;

/* Once for all tests, as making a key is slow. */
static inline void
fixture_make_keys(void)
{
	struct task making = suite_task();

	forge_keys(&making, &keys);
	forge_keys(&making, &other_keys);
	suite_task_end(&making);
}

static inline void
fixture_release_keys(void)
{
	license_keys_release(&keys);
	license_keys_release(&other_keys);
}

/* Fails the test with the last call's failure, when it should have gone well. */
static inline void
fine(enum fail kind)
{
	ck_assert_msg(kind == FAIL_NONE, "%s: %s", operation.task->failure.code,
	              operation.task->failure.message);
}

/* The call failed with this code; clears the failure. */
static inline void
refused(enum fail kind, enum fail wanted, const char *code)
{
	ck_assert_int_eq(kind, wanted);
	ck_assert_str_eq(task.failure.code, code);
	task_clear(&task);
	db_rollback_to(operation.db, 0);
}

static inline void
fixture_setup(void)
{
	task = suite_task();
	task.request_id = "unit-test";
	billing = (struct billing){.policy = {.issuer = FORGE_ISSUER,
	                                      .license_ttl_days = 365,
	                                      .license_grace_days = 7,
	                                      .past_due_grace_days = 7,
	                                      .revocations_ttl_hours = 24,
	                                      .offline_warn_days = LICENSE_WARN_DAYS,
	                                      .max_grace_days = GRACE_DAYS_MAX,
	                                      .instance_lease_hours = 72,
	                                      .sign_ups_per_hour = 1000,
	                                      .new_instances_per_day = 20000,
	                                      .usage_retention_days = 90,
	                                      .event_retention_days = 400},
	                           .keys = keys};
	operation = (struct operation){
	        .task = &task,
	        .db = database_open(database_url(), DATABASE_PATIENT_MS, true),
	        .billing = &billing,
	        .actor = "system:test",
	        .now_ms = NOW_MS};
	fine(plans_load(&task, "conf/plans.json", &billing.plans));
	fine(account_sign_up(
	        &operation,
	        arena_printf(task.arena, "%s@example.com", random_id(task.arena, "a", 8)),
	        "Acme Corp", &signed_up));
	customer_id = signed_up.customer.customer_id;
}

static inline void
fixture_teardown(void)
{
	db_free(operation.db);
	suite_task_end(&task);
}

static inline TCase *
fixture_case(const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_set_timeout(tcase, 300);
	tcase_add_unchecked_fixture(tcase, fixture_make_keys, fixture_release_keys);
	tcase_add_checked_fixture(tcase, fixture_setup, fixture_teardown);
	return tcase;
}

/* SQL with the customer's id in the place of %s, on a connection of its own. */
static inline void
change(const char *format_before, const char *format_behind)
{
	struct db *db = database_open(database_url(), DATABASE_PATIENT_MS, false);

	database_script(db, &task,
	                arena_printf(task.arena, "%s'%s'%s", format_before, customer_id,
	                             format_behind));
	db_free(db);
}

/* A number that such SQL gives. */
static inline int64_t
count_of(const char *before, const char *behind)
{
	struct db *db = database_open(database_url(), DATABASE_PATIENT_MS, false);
	int64_t number = database_number(
	        db, &task, arena_printf(task.arena, "%s'%s'%s", before, customer_id, behind));

	db_free(db);
	return number;
}

/* A verifier's word on the token, and what it says when it holds. */
static inline enum token_verdict
check(const char *token, const char **payload)
{
	enum token_verdict verdict = LICENSE_MALFORMED;

	fine(license_check(&operation, token, &verdict, payload));
	return verdict;
}

static inline bool
says(const struct issued_license *license, const char *what)
{
	const char *payload = NULL;

	ck_assert_int_eq(check(license->token, &payload), LICENSE_VALID);
	return strstr(payload, what) != NULL;
}
