/* revenue_check.c: computes anew what the customers are worth, and compares. */
#include "analytics/revenue_check.h"

#include "base/arena.h"
#include "subscriptions/recurring.h"

extern const char analytics_revenue_check_sql[];  /* revenue_check.sql */
extern const char analytics_revenue_listed_sql[]; /* revenue_listed.sql */

static const struct column listed_columns[] =
        COLUMNS(struct revenue_listed, id, customer_id, currency, ours, theirs, reason, equal);

enum { CHECK, LISTED, UNLISTED };

static const struct statement statements[] = {
        [CHECK] = {"revenue_check",
                   ROWS_WITH(struct revenue_fault, what, customer_id, currency, booked,
                             expected),
                   .sql = analytics_revenue_check_sql, .reads = true},
        [LISTED] = {"revenue_listed", ROWS_OF(struct revenue_listed, listed_columns),
                    .sql = analytics_revenue_listed_sql, .reads = true},
        [UNLISTED] =
                {"revenue_unlisted", ROWS_OF(struct revenue_listed, listed_columns),
                 .sql = "SELECT s.stripe_subscription_id AS id, s.customer_id, n.currency, "
                        "trim_scale(n.mrr)::text AS ours, '0' AS theirs, "
                        "NULL::text AS reason, false AS equal FROM revenue_values v "
                        "CROSS JOIN LATERAL revenue_at(v.customer_id, $2::timestamptz) n "
                        "JOIN subscriptions s ON s.subscription_id = n.subscription_id "
                        "WHERE v.mrr > 0 AND s.stripe_subscription_id IS NOT NULL "
                        "AND n.currency = v.currency "
                        "AND NOT EXISTS (SELECT FROM unnest($1::text[]) AS l (id) "
                        "  WHERE l.id = s.stripe_subscription_id) ORDER BY id LIMIT 10000"},
};

const struct statement_list revenue_check_statements = STATEMENT_LIST(statements);

enum fail
revenue_check(struct operation *operation, const struct revenue_fault **out, size_t *count)
{
	return db_rows(operation->db, operation->task, &statements[CHECK],
	               PARAMETERS(param_now(operation)), (void *)out, count);
}

enum fail
revenue_compare_listed(struct operation *operation, const struct stripe_subscription *listed,
                       size_t listed_count, const struct revenue_listed **out, size_t *count)
{
	struct task *task = operation->task;
	const size_t most = listed_count + 1;
	const char **ids = arena_array(task->arena, most, sizeof(*ids));
	const char **statuses = arena_array(task->arena, most, sizeof(*statuses));
	const char **paused = arena_array(task->arena, most, sizeof(*paused));
	const char **terms = arena_array(task->arena, most, sizeof(*terms));

	for (size_t i = 0; i < listed_count; i++) {
		const struct stripe_subscription *stripe = &listed[i];
		const struct instant *resumes = &stripe->pause_resumes_at;
		bool is_over = resumes->known && resumes->ms <= operation->now_ms;

		ids[i] = stripe->id;
		statuses[i] = stripe->status;
		paused[i] = param_bool(stripe->pause_behavior != NULL && !is_over);
		terms[i] = recurring_listed(task->arena, stripe, "");
	}
	return db_rows(
	        operation->db, task, &statements[LISTED],
	        PARAMETERS(
	                param_list(task, &(struct string_list){true, listed_count, ids}),
	                param_list(task, &(struct string_list){true, listed_count, statuses}),
	                param_list(task, &(struct string_list){true, listed_count, paused}),
	                param_list(task, &(struct string_list){true, listed_count, terms}),
	                param_now(operation)),
	        (void *)out, count);
}

enum fail
revenue_unlisted(struct operation *operation, const struct string_list *ids,
                 const struct revenue_listed **out, size_t *count)
{
	struct task *task = operation->task;

	return db_rows(operation->db, task, &statements[UNLISTED],
	               PARAMETERS(param_list(task, ids), param_now(operation)), (void *)out,
	               count);
}
