/* trials.c: a running trial ends when a contract starts. */
#include "contracts/trials.h"

#include "billing/customers.h"

struct trial {
	struct instant ends_at;
};

#define FINAL "('canceled', 'incomplete_expired')"
#define TRIAL                                                                                  \
	"customer_id = $1 AND stripe_subscription_id IS NULL AND contract_id IS NULL "         \
	"AND status = 'trialing' "

enum { SHORTEN_TRIAL, RESTORE_TRIAL, LINK, KEEP_TRIAL };

static const struct statement statements[] = {
        /* `ends_at` is when the trial would have ended. */
        [SHORTEN_TRIAL] =
                {"contract_shorten_trial", ROWS_WITH(struct trial, ends_at),
                 .sql = "WITH trial AS (SELECT subscription_id, trial_ends_at "
                        "  FROM subscriptions WHERE " TRIAL
                        "  AND trial_ends_at > $3 FOR UPDATE) "
                        "UPDATE subscriptions s SET version = version + 1, updated_at = $3, "
                        "trial_ends_at = CASE WHEN $2::timestamptz > $3 "
                        "  THEN LEAST(s.trial_ends_at, $2) ELSE s.trial_ends_at END, "
                        "status = CASE WHEN $2::timestamptz > $3 THEN s.status "
                        "  ELSE 'canceled' END, "
                        "ended_at = CASE WHEN $2::timestamptz > $3 THEN s.ended_at "
                        "  ELSE $3::timestamptz END "
                        "FROM trial WHERE s.subscription_id = trial.subscription_id "
                        "RETURNING trial.trial_ends_at AS ends_at"},
        /* As it was before all contracts, but not beyond the start of another one. One that Stripe does
         * not bill yet has shortened nothing. */
        [RESTORE_TRIAL] =
                {"contract_restore_trial",
                 .sql = "UPDATE subscriptions t SET version = version + 1, updated_at = $3, "
                        "trial_ends_at = LEAST(GREATEST(k.trial_ends_at, "
                        "  (SELECT max(trial_ends_at) FROM contracts "
                        "   WHERE customer_id = $1 AND created_at >= t.created_at)), "
                        "  $4, (SELECT min(starts_at) FROM subscriptions "
                        "  WHERE customer_id = $1 AND status NOT IN " FINAL " "
                        "  AND (status <> 'incomplete' OR stripe_subscription_id IS NOT NULL) "
                        "  AND contract_id <> $2)) "
                        "FROM (SELECT trial_ends_at FROM contracts WHERE contract_id = $2) k "
                        "WHERE " TRIAL "AND k.trial_ends_at IS NOT NULL"},
        [LINK] = {"contract_link",
                  .sql = "UPDATE subscriptions s SET stripe_subscription_id = $3, "
                         "version = s.version + 1, updated_at = $4 FROM contracts k "
                         "WHERE s.contract_id = $2 AND s.customer_id = $1 "
                         "AND s.stripe_subscription_id IS NULL "
                         "AND k.contract_id = s.contract_id "
                         "AND k.billing = '" CONTRACT_STRIPE "' AND EXISTS (SELECT FROM "
                         "  customers WHERE customer_id = $1 AND deleted_at IS NULL) "
                         "AND NOT EXISTS (SELECT FROM "
                         "  subscriptions WHERE stripe_subscription_id = $3)"},
        [KEEP_TRIAL] = {"contract_keep_trial", .sql = "UPDATE contracts SET trial_ends_at = $2 "
                                                      "WHERE contract_id = $1"},
};

const struct statement_list contract_trial_statements = STATEMENT_LIST(statements);

enum fail
contract_shorten_trial(struct operation *operation, const struct contract *contract,
                       struct instant *before)
{
	struct task *task = operation->task;
	struct trial trial = {INSTANT_NONE};
	bool found;

	TRY(db_row(operation->db, task, &statements[SHORTEN_TRIAL],
	           PARAMETERS(contract->customer_id,
	                      param_time(task, contract->terms.starts_at),
	                      param_now(operation)),
	           &trial, &found));
	*before = trial.ends_at;
	return FAIL_NONE;
}

enum fail
contract_restore_trial(struct operation *operation, const struct contract *contract,
                       struct instant starts_at)
{
	struct task *task = operation->task;

	return db_run(operation->db, task, &statements[RESTORE_TRIAL],
	              PARAMETERS(contract->customer_id, contract->contract_id,
	                         param_now(operation), param_time(task, starts_at)),
	              NULL);
}

enum fail
contract_link(struct operation *operation, const char *customer_id, const char *contract_id,
              const char *stripe_subscription_id)
{
	struct task *task = operation->task;
	struct instant trial_ends_at;
	struct contract contract;
	int64_t linked;
	bool deleted;

	TRY(customer_lock(operation, customer_id, &deleted));
	TRY(db_run(operation->db, task, &statements[LINK],
	           PARAMETERS(customer_id, contract_id, stripe_subscription_id,
	                      param_now(operation)),
	           &linked));
	if (linked == 0)
		return FAIL_NONE;
	TRY(contract_find(operation, customer_id, contract_id, &contract));
	if (contract_is_over(&contract, operation->now_ms))
		return FAIL_NONE;
	TRY(contract_shorten_trial(operation, &contract, &trial_ends_at));
	return db_run(operation->db, task, &statements[KEEP_TRIAL],
	              PARAMETERS(contract_id, param_time(task, trial_ends_at)), NULL);
}
