/* license_rights.c: revokes the licences that grant more than the customer's subscription does
 * now. */
#include "issuing/license_rights.h"

#include "base/arena.h"
#include "billing/access.h"
#include "billing/audit.h"
#include "issuing/licenses.h"

struct unpaid {
	const char *customer_id;
};

enum { REVOKE_PLANS, UNPAID, ENDED_EARLY };

static const struct statement statements[] = {
        /* An expired licence too while its token is kept, as in license_revoke_all(). */
        [REVOKE_PLANS] =
                {"license_revoke_plans",
                 .sql = "UPDATE licenses SET revoked_at = $2, revoke_reason = $3, token = NULL "
                        "WHERE customer_id = $1 AND revoked_at IS NULL "
                        "AND plan <> ALL ($5::text[]) "
                        "AND (expires_at > $4 OR token IS NOT NULL)"},
        [UNPAID] = {"license_unpaid", ROWS_WITH(struct unpaid, customer_id),
                    .sql = "SELECT s.customer_id FROM subscriptions s "
                           "WHERE s.status = 'past_due' AND NOT s.superseded "
                           "AND COALESCE(s.past_due_since, '-infinity') <= $1 "
                           "AND EXISTS (SELECT FROM licenses l "
                           "  WHERE l.customer_id = s.customer_id AND l.revoked_at IS NULL "
                           "  AND l.expires_at > $2 AND l.issued_at < COALESCE("
                           "    s.past_due_since + make_interval(days => $3::integer), "
                           "    s.updated_at)) "
                           "ORDER BY s.customer_id LIMIT $4::bigint"},
        [ENDED_EARLY] =
                {"license_ended_early", ROWS_WITH(struct unpaid, customer_id),
                 .sql = "SELECT s.customer_id FROM subscriptions s "
                        "CROSS JOIN LATERAL (SELECT LEAST(s.hold_ends_access_at, "
                        "  s.price_ends_access_at, CASE WHEN s.pause_resumes_at <= "
                        "    GREATEST($1, s.pause_ends_access_at) THEN NULL "
                        "    ELSE s.pause_ends_access_at END) AS at) ends "
                        "WHERE LEAST(s.pause_ends_access_at, s.hold_ends_access_at, "
                        "  s.price_ends_access_at) <= $1 AND ends.at <= $1 "
                        "AND s.status IN ('trialing', 'active', 'past_due') "
                        "AND NOT s.superseded AND EXISTS (SELECT FROM licenses l "
                        "  WHERE l.customer_id = s.customer_id AND l.revoked_at IS NULL "
                        "  AND l.expires_at > $1 AND l.issued_at < ends.at) "
                        "ORDER BY s.customer_id LIMIT $2::bigint"},
};

const struct statement_list license_right_statements = STATEMENT_LIST(statements);

/* The plans whose licences grant no more than the subscription's plan. */
static struct string_list
plans_within(const struct operation *operation, const char *plan_id)
{
	const struct plans *plans = &operation->billing->plans;
	const struct plan *present = plans_find(plans, plan_id);
	const char **ids = arena_array(operation->task->arena, plans->count + 1, sizeof(*ids));
	size_t count = 0;

	/* A plan that plans.json no longer has is at least the same as itself. */
	ids[count++] = plan_id;
	for (size_t i = 0; present != NULL && i < plans->count; i++) {
		const struct plan *plan = &plans->items[i];

		if (plan != present &&
		    !values_are_more(VALUE_FEATURE, &plan->features, &present->features) &&
		    !values_are_more(VALUE_LIMIT, &plan->limits, &present->limits))
			ids[count++] = plan->id;
	}
	return (struct string_list){.present = true, .count = count, .items = ids};
}

enum fail
license_revoke_excess(struct operation *operation, const char *customer_id)
{
	struct task *task = operation->task;
	const char *ended = param_in(operation, -LICENSE_LEEWAY_SECONDS * SECOND_MS);
	struct string_list within = {.present = true};
	const char *reason = "access_ended";
	const struct subscription *subscription;
	int64_t revoked;

	TRY(subscription_newest(operation, customer_id, &subscription));
	if (subscription != NULL &&
	    access_granted(subscription, &operation->billing->policy, operation->now_ms)) {
		within = plans_within(operation, subscription->plan);
		reason = "plan_reduced";
	}
	TRY(db_run(operation->db, task, &statements[REVOKE_PLANS],
	           PARAMETERS(customer_id, param_now(operation), reason, ended,
	                      param_list(task, &within)),
	           &revoked));
	return revoked == 0
	               ? FAIL_NONE
	               : audit_record(operation, "license_revoke", customer_id, NULL, reason);
}

static enum fail
revoke_unpaid(struct operation *operation, const char *customer_id)
{
	TRY(db_begin(operation->db, operation->task));
	TRY(subscription_lock(operation, customer_id));
	TRY(license_revoke_excess(operation, customer_id));
	return db_commit(operation->db, operation->task);
}

/* Revokes the licences of the customers that the statement finds. */
static enum fail
revoke_of(struct operation *operation, const struct statement *statement,
          struct parameters parameters, int64_t *customers)
{
	const struct unpaid *rows;
	size_t count;

	TRY(db_rows(operation->db, operation->task, statement, parameters, (void *)&rows,
	            &count));
	for (size_t i = 0; i < count; i++)
		TRY(revoke_unpaid(operation, rows[i].customer_id));
	*customers = (int64_t)count;
	return FAIL_NONE;
}

enum fail
license_revoke_unpaid(struct operation *operation, int64_t *customers)
{
	struct task *task = operation->task;
	int64_t grace_days = operation->billing->policy.past_due_grace_days;
	const char *most = param_int(task, operation->batch);
	int64_t unpaid, ended;

	TRY(revoke_of(operation, &statements[UNPAID],
	              PARAMETERS(param_in(operation, -grace_days * DAY_MS),
	                         param_now(operation), param_int(task, grace_days), most),
	              &unpaid));
	TRY(revoke_of(operation, &statements[ENDED_EARLY],
	              PARAMETERS(param_now(operation), most), &ended));
	*customers = unpaid + ended;
	return FAIL_NONE;
}
