/* unknown_prices.c: subscriptions of customers at a price that no plan has. */
#include "subscriptions/unknown_prices.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/text.h"
#include "billing/audit.h"
#include "events/log.h"
#include "json/out.h"

/* At most UNSEEN_MAX unlisted subscriptions are synced after one comparison. */
enum { UNSEEN_MAX = 100 };

struct total {
	int64_t number;
};

enum {
	FORGET_OTHERS,
	ADD,
	SEE,
	END_ACCESS,
	SETTLE,
	IS_RECORDED,
	GONE,
	SYNC_UNSEEN,
	LIST,
	COUNT,
	COUNT_KEPT
};

static const struct statement statements[] = {
        [FORGET_OTHERS] = {"unknown_prices_forget_others",
                           .sql = "DELETE FROM stripe_unknown_prices "
                                  "WHERE stripe_subscription_id = $1 "
                                  "AND price_id <> ALL ($2::text[])"},
        [ADD] = {"unknown_prices_add",
                 .sql = "INSERT INTO stripe_unknown_prices (stripe_subscription_id, price_id, "
                        "customer_id, status, first_seen_at, seen_at) "
                        "SELECT $1, price_id, $3, $4, $5::timestamptz, $5::timestamptz "
                        "FROM unnest($2::text[]) AS price_id ON CONFLICT DO NOTHING"},
        [SEE] = {"unknown_prices_see",
                 .sql = "UPDATE stripe_unknown_prices SET customer_id = $2, status = $3, "
                        "seen_at = $4 WHERE stripe_subscription_id = $1"},
        [END_ACCESS] = {"unknown_prices_end_access",
                        .sql = "UPDATE subscriptions SET price_ends_access_at = $3, "
                               "version = version + 1, updated_at = $3 "
                               "WHERE stripe_subscription_id = $1 "
                               "AND unmapped_price_id = ANY ($2::text[]) "
                               "AND price_ends_access_at IS NULL"},
        /* Access that an unknown price had ended comes back. */
        [SETTLE] = {"unknown_prices_settle",
                    .sql = "WITH settled AS (DELETE FROM stripe_unknown_prices "
                           "  WHERE stripe_subscription_id = $1) "
                           "UPDATE subscriptions SET price_ends_access_at = NULL, "
                           "version = version + 1, updated_at = $2 "
                           "WHERE stripe_subscription_id = $1 "
                           "AND price_ends_access_at IS NOT NULL AND $3::boolean"},
        [IS_RECORDED] = {"unknown_prices_are_recorded",
                         .sql = "SELECT FROM stripe_unknown_prices "
                                "WHERE stripe_subscription_id = $1 AND status = $2 LIMIT 1"},
        [GONE] = {"unknown_prices_gone", .sql = "DELETE FROM stripe_unknown_prices "
                                                "WHERE stripe_subscription_id = $1"},
        [SYNC_UNSEEN] =
                {"unknown_prices_sync_unseen",
                 .sql = "INSERT INTO stripe_events (event_id, type, livemode, happened_at, "
                        "received_at, origin, family, subject, customer_hint, state, "
                        "next_try_at) SELECT $3 || stripe_subscription_id, "
                        "'sweep.subscription.deleted', $2::boolean, now(), now(), 'sweep', "
                        "'subscription', stripe_subscription_id, min(customer_id), 'pending', "
                        "date_trunc('milliseconds', now()) FROM stripe_unknown_prices "
                        "WHERE seen_at < $1 GROUP BY stripe_subscription_id "
                        "LIMIT $4::bigint ON CONFLICT DO NOTHING"},
        [LIST] =
                {"unknown_prices_list",
                 ROWS_WITH(struct unknown_price, price_id, stripe_subscription_id, customer_id,
                           status, plan, first_seen_at),
                 .sql = "SELECT u.price_id, u.stripe_subscription_id, u.customer_id, u.status, "
                        "CASE WHEN s.hold_reason IS NULL AND s.price_ends_access_at IS NULL "
                        "  THEN s.plan END AS plan, "
                        "u.first_seen_at FROM stripe_unknown_prices u "
                        "LEFT JOIN subscriptions s USING (stripe_subscription_id) "
                        "ORDER BY u.first_seen_at, u.stripe_subscription_id, u.price_id "
                        "LIMIT $1::bigint"},
        [COUNT] = {"unknown_prices_count", ROWS_WITH(struct total, number),
                   .sql = "SELECT count(DISTINCT stripe_subscription_id) AS number "
                          "FROM stripe_unknown_prices"},
        [COUNT_KEPT] =
                {"unknown_prices_count_kept", ROWS_WITH(struct total, number),
                 .sql = "SELECT count(DISTINCT stripe_subscription_id) AS number "
                        "FROM stripe_unknown_prices "
                        "JOIN subscriptions s USING (stripe_subscription_id) "
                        "WHERE s.hold_reason IS NULL AND s.price_ends_access_at IS NULL"},
};

const struct statement_list unknown_price_statements = STATEMENT_LIST(statements);

/* The plan is known, or the subscription has ended. */
static enum fail
settle(struct operation *operation, const struct sold_subscription *subscription)
{
	return db_run(operation->db, operation->task, &statements[SETTLE],
	              PARAMETERS(subscription->stripe.id, param_now(operation),
	                         param_bool(subscription->plan != NULL)),
	              NULL);
}

static const char *
unknown_ids(struct task *task, const struct sold_subscription *subscription)
{
	const char **ids =
	        arena_array(task->arena, subscription->unknown_count + 1, sizeof(*ids));

	for (size_t i = 0; i < subscription->unknown_count; i++)
		ids[i] = subscription->unknown[i].price_id;
	return param_list(task, &(struct string_list){true, subscription->unknown_count, ids});
}

static enum fail
tell(struct operation *operation, const char *customer_id,
     const struct sold_subscription *subscription)
{
	struct json_out json = json_out_new(operation->task->arena, 256);

	json_out_open(&json, NULL, '{');
	json_out_string(&json, "price_id", subscription->unknown[0].price_id);
	json_out_string(&json, "stripe_subscription_id", subscription->stripe.id);
	json_out_string(&json, "customer_id", customer_id);
	json_out_string(&json, "status", subscription->stripe.status);
	json_out_close(&json, '}');
	return event_write(operation, EVENT_STRIPE_UNKNOWN_PRICE, customer_id, json.text.data);
}

enum fail
unknown_prices_record(struct operation *operation, const char *customer_id,
                      const struct sold_subscription *subscription, bool *changed)
{
	struct task *task = operation->task;
	const struct stripe_subscription *stripe = &subscription->stripe;
	const char *ids, *now = param_now(operation);
	int64_t added;

	*changed = false;
	if (subscription->plan != NULL || subscription->unknown_count == 0 ||
	    stripe_status_is_final(stripe->status))
		return settle(operation, subscription);
	ids = unknown_ids(task, subscription);
	TRY(db_run(operation->db, task, &statements[FORGET_OTHERS], PARAMETERS(stripe->id, ids),
	           NULL));
	TRY(db_run(operation->db, task, &statements[ADD],
	           PARAMETERS(stripe->id, ids, customer_id, stripe->status, now), &added));
	TRY(db_run(operation->db, task, &statements[SEE],
	           PARAMETERS(stripe->id, customer_id, stripe->status, now), NULL));
	TRY(db_run(operation->db, task, &statements[END_ACCESS],
	           PARAMETERS(stripe->id, ids, now), NULL));
	*changed = added > 0;
	if (added == 0)
		return FAIL_NONE;
	log_line(LOG_LEVEL_WARNING, "a customer pays at an unknown price",
	         LOG_S("customer_id", customer_id), LOG_S("subscription", stripe->id),
	         LOG_S("price", subscription->unknown[0].price_id));
	TRY(tell(operation, customer_id, subscription));
	return audit_record(operation, "unknown_price", customer_id, stripe->id,
	                    subscription->unknown[0].price_id);
}

enum fail
unknown_prices_are_recorded(struct operation *operation,
                            const struct sold_subscription *subscription, bool *recorded)
{
	int64_t count;

	TRY(db_run(operation->db, operation->task, &statements[IS_RECORDED],
	           PARAMETERS(subscription->stripe.id, subscription->stripe.status), &count));
	*recorded = count > 0;
	return FAIL_NONE;
}

enum fail
unknown_prices_gone(struct operation *operation, const char *stripe_subscription_id)
{
	return db_run(operation->db, operation->task, &statements[GONE],
	              PARAMETERS(stripe_subscription_id), NULL);
}

enum fail
unknown_prices_sync_unseen(struct operation *operation, struct instant since)
{
	struct task *task = operation->task;

	return db_run(operation->db, task, &statements[SYNC_UNSEEN],
	              PARAMETERS(param_time(task, since),
	                         param_bool(operation->billing->sales.live),
	                         arena_printf(task->arena, "sweep_%lld_",
	                                      (long long)operation->now_ms),
	                         param_int(task, UNSEEN_MAX)),
	              NULL);
}

enum fail
unknown_prices_list(struct operation *operation, int64_t limit,
                    const struct unknown_price **out, size_t *count)
{
	return db_rows(operation->db, operation->task, &statements[LIST],
	               PARAMETERS(param_int(operation->task, limit)), (void *)out, count);
}

enum fail
unknown_prices_count(struct operation *operation, int64_t *subscriptions)
{
	struct total total = {0};
	bool found;

	TRY(db_row(operation->db, operation->task, &statements[COUNT], NO_PARAMETERS, &total,
	           &found));
	*subscriptions = total.number;
	return FAIL_NONE;
}

enum fail
unknown_prices_count_kept(struct operation *operation, int64_t *subscriptions)
{
	struct total total = {0};
	bool found;

	TRY(db_row(operation->db, operation->task, &statements[COUNT_KEPT], NO_PARAMETERS,
	           &total, &found));
	*subscriptions = total.number;
	return FAIL_NONE;
}
