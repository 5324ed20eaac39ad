/* account.c: the account at Stripe whose objects the database describes. */
#include "outbox/account.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/text.h"
#include "billing/audit.h"
#include "outbox/fetch.h"
#include "outbox/locks.h"
#include "stripe/client.h"
#include "stripe/objects.h"

enum { FORBIDDEN = 403 };

enum { RECORDED, RECORD, REPLACE, FIGURES };

static const struct statement statements[] = {
        [RECORDED] = {"stripe_account_recorded",
                      ROWS_WITH(struct stripe_account, account_id, livemode, recorded_at),
                      .sql = "SELECT account_id, livemode, recorded_at FROM stripe_account"},
        [RECORD] = {"stripe_account_record",
                    .sql = "INSERT INTO stripe_account (account_id, livemode, recorded_at) "
                           "VALUES ($1, $2::boolean, $3) ON CONFLICT DO NOTHING"},
        [REPLACE] = {"stripe_account_replace",
                     .sql = "INSERT INTO stripe_account (account_id, livemode, recorded_at) "
                            "VALUES ($1, $2::boolean, $3) ON CONFLICT (only_row) DO UPDATE "
                            "SET account_id = EXCLUDED.account_id, "
                            "livemode = EXCLUDED.livemode, "
                            "recorded_at = EXCLUDED.recorded_at"},
        [FIGURES] = {"stripe_account_figures",
                     ROWS_WITH(struct stripe_account_figures, customers, subscriptions),
                     .sql = "SELECT (SELECT count(*) FROM customers "
                            "  WHERE stripe_customer_id IS NOT NULL) AS customers, "
                            "(SELECT count(*) FROM subscriptions "
                            "  WHERE stripe_subscription_id IS NOT NULL "
                            "  AND status NOT IN ('canceled', 'incomplete_expired')) "
                            "  AS subscriptions"},
};

const struct statement_list stripe_account_statements = STATEMENT_LIST(statements);

enum fail
stripe_account_recorded(struct operation *operation, struct stripe_account *out)
{
	bool found;

	*out = (struct stripe_account){.account_id = NULL};
	return db_row(operation->db, operation->task, &statements[RECORDED], NO_PARAMETERS, out,
	              &found);
}

enum fail
stripe_account_fetch(struct operation *operation, struct stripe_account *out)
{
	const struct stripe_request request = {.method = STRIPE_GET,
	                                       .path = "/v1/account",
	                                       .deadline_us = operation->deadline_us};
	struct stripe_answer answer;

	*out = (struct stripe_account){.livemode = operation->billing->sales.live};
	stripe_client_send(operation->stripe, operation->task, &request, &answer);
	if (answer.outcome == STRIPE_REFUSED && answer.status == FORBIDDEN)
		return FAIL_NONE;
	TRY(stripe_client_failure(operation->task, &answer));
	out->account_id = stripe_id_of(&answer.object, "id");
	return out->account_id != NULL ? FAIL_NONE : stripe_answer_unusable(operation->task);
}

bool
stripe_account_is(const struct stripe_account *account, const struct stripe_account *other)
{
	return text_equal(account->account_id, other->account_id) &&
	       account->livemode == other->livemode;
}

/* Compares the key's account with the recorded one. */
static enum fail
compare(struct operation *operation, const struct stripe_account *of_key)
{
	struct stripe_account recorded;

	TRY(stripe_account_recorded(operation, &recorded));
	if (of_key->account_id == NULL || recorded.account_id == NULL ||
	    stripe_account_is(of_key, &recorded))
		return FAIL_NONE;
	log_line(LOG_LEVEL_WARNING, "the key of Stripe is of another account than the data",
	         LOG_S("account", of_key->account_id), LOG_S("recorded", recorded.account_id),
	         LOG_S("mode", of_key->livemode ? "live" : "test"));
	return task_fail(operation->task, FAIL_STRIPE, STRIPE_OTHER_ACCOUNT,
	                 "Payments are set up with another account of Stripe than before.");
}

enum fail
stripe_account_check(struct operation *operation)
{
	struct stripe_account of_key;

	TRY(stripe_account_fetch(operation, &of_key));
	return compare(operation, &of_key);
}

enum fail
stripe_account_record(struct operation *operation)
{
	struct stripe_account of_key;

	TRY(stripe_account_fetch(operation, &of_key));
	if (of_key.account_id != NULL)
		TRY(db_run(operation->db, operation->task, &statements[RECORD],
		           PARAMETERS(of_key.account_id, param_bool(of_key.livemode),
		                      param_now(operation)),
		           NULL));
	return compare(operation, &of_key);
}

enum fail
stripe_account_must_be_ours(struct operation *operation)
{
	struct stripe_account of_key;

	TRY(stripe_account_fetch(operation, &of_key));
	TRY(compare(operation, &of_key));
	if (of_key.account_id != NULL)
		return FAIL_NONE;
	return task_fail(operation->task, FAIL_STRIPE, "stripe_account_unknown",
	                 "Stripe has no such object, and the key may not read its account.");
}

enum fail
stripe_account_replace(struct operation *operation, const struct stripe_account *account)
{
	struct task *task = operation->task;
	struct stripe_account before;

	TRY(db_begin(operation->db, task));
	TRY(stripe_account_recorded(operation, &before));
	TRY(db_run(operation->db, task, &statements[REPLACE],
	           PARAMETERS(account->account_id, param_bool(account->livemode),
	                      param_now(operation)),
	           NULL));
	TRY(audit_record(operation, "stripe_account", NULL, account->account_id,
	                 before.account_id));
	TRY(stripe_jobs_wake(operation));
	return db_commit(operation->db, task);
}

enum fail
stripe_account_figures(struct operation *operation, struct stripe_account_figures *out)
{
	bool found;

	return db_row(operation->db, operation->task, &statements[FIGURES], NO_PARAMETERS, out,
	              &found);
}
