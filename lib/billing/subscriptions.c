/* subscriptions.c: the subscriptions of customers. */
#include "billing/subscriptions.h"

#include "base/arena.h"
#include "billing/audit.h"
#include "billing/customers.h"
#include "billing/render.h"
#include "events/log.h"
#include "json/out.h"

static const struct column columns[] =
        COLUMNS(struct subscription, subscription_id, customer_id, stripe_subscription_id, plan,
                status, trial_ends_at, current_period_ends_at, past_due_since,
                cancel_at_period_end, cancel_at, canceled_at, ended_at, stripe_price_id,
                quantity, addons, interval, interval_count, currency, scheduled_plan,
                scheduled_quantity, scheduled_addons, pause_behavior, pause_resumes_at,
                pause_ends_access_at, hold_reason, hold_ends_access_at, price_ends_access_at,
                bought_at, contract_id, starts_at, ends_at, version, created_at, updated_at);

#define SUBSCRIPTION_COLUMNS                                                                   \
	"s.subscription_id, s.customer_id, s.stripe_subscription_id, s.plan, s.status, "       \
	"s.trial_ends_at, s.current_period_ends_at, s.past_due_since, "                        \
	"s.cancel_at_period_end, s.cancel_at, s.canceled_at, s.ended_at, s.stripe_price_id, "  \
	"COALESCE(s.quantity, 1) AS quantity, s.addons::text AS addons, s.interval, "          \
	"s.interval_count, s.currency, s.scheduled_plan, s.scheduled_quantity, "               \
	"s.scheduled_addons::text AS scheduled_addons, "                                       \
	"s.pause_behavior, s.pause_resumes_at, s.pause_ends_access_at, "                       \
	"s.hold_reason, s.hold_ends_access_at, s.price_ends_access_at, COALESCE(s.bought_at, " \
	"s.created_at) AS bought_at, s.contract_id, "                                          \
	"s.starts_at, s.ends_at, s.version, s.created_at, s.updated_at"

/* See subscription_order() in migration 25. */
#define COUNTS_FIRST(moment)                                                                   \
	"ORDER BY s.superseded, subscription_order(s, " moment "), "                           \
	"s.subscription_id DESC "
#define FINAL "('canceled', 'incomplete_expired')"

/* Why an attempt to start a trial failed. */
struct trial_attempt {
	bool customer_exists;
	bool subscription_exists;
};

#define ROW ROWS_OF(struct subscription, columns)

enum {
	FIND,
	NEWEST,
	START_TRIAL,
	TRIAL_OBSTACLE,
	CANCEL,
	CANCEL_TRIAL,
	LOCK,
	TOUCH,
	EXPIRE_TRIALS,
	OPEN_AT_STRIPE
};

extern const char billing_subscription_cancel_sql[];        /* subscription_cancel.sql */
extern const char billing_subscription_expire_trials_sql[]; /* subscription_expire_trials.sql */

static const struct statement statements[] = {
        [FIND] = {"subscription_find", ROW,
                  .sql = "SELECT " SUBSCRIPTION_COLUMNS
                         " FROM subscriptions s JOIN customers c "
                         "ON c.customer_id = s.customer_id AND c.deleted_at IS NULL "
                         "WHERE s.customer_id = $1 " COUNTS_FIRST("$2") "LIMIT 1"},
        [NEWEST] = {"subscription_newest", ROW,
                    .sql = "SELECT " SUBSCRIPTION_COLUMNS " FROM subscriptions s "
                           "WHERE s.customer_id = $1 " COUNTS_FIRST("$2") "LIMIT 1"},
        /* A trial for each address, and for each look of addresses that are not plain. The
	 * insertion of the look sees one that another transaction has just inserted. */
        [START_TRIAL] =
                {"subscription_start_trial", ROW,
                 .sql = "WITH customer AS ("
                        "  SELECT c.customer_id, c.email FROM customers c"
                        "  WHERE c.customer_id = $1 AND c.deleted_at IS NULL AND NOT EXISTS ("
                        "    SELECT FROM subscriptions s WHERE s.customer_id = c.customer_id"
                        "    AND (s.status NOT IN " FINAL
                        "      AND COALESCE(s.ends_at > $2, true) OR s.contract_id IS NULL"
                        "      AND s.trial_ends_at IS NOT NULL)) FOR UPDATE), "
                        "skeleton AS ("
                        "  INSERT INTO trial_skeletons AS other (skeleton_digest, plain)"
                        "  SELECT $6::bytea, $7::boolean FROM customer"
                        "  ON CONFLICT (skeleton_digest) DO UPDATE SET plain = true"
                        "    WHERE other.plain AND excluded.plain"
                        "  RETURNING plain), "
                        "redemption AS ("
                        "  INSERT INTO trial_redemptions (email_digest, customer_id,"
                        "    redeemed_at)"
                        "  SELECT $5::bytea, customer_id, $2 FROM customer, skeleton"
                        "  WHERE NOT EXISTS (SELECT FROM trial_redemptions"
                        "    WHERE email_digest = trial_email_digest(email))"
                        "  ON CONFLICT DO NOTHING RETURNING customer_id) "
                        "INSERT INTO subscriptions AS s (customer_id, plan, status, "
                        "  trial_ends_at, created_at, updated_at) "
                        "SELECT customer_id, $3, 'trialing', $4, $2, $2 FROM redemption "
                        "ON CONFLICT DO NOTHING RETURNING " SUBSCRIPTION_COLUMNS},
        [TRIAL_OBSTACLE] =
                {"subscription_trial_obstacle",
                 ROWS_WITH(struct trial_attempt, customer_exists, subscription_exists),
                 .sql = "SELECT EXISTS (SELECT FROM customers WHERE customer_id = $1 "
                        "AND deleted_at IS NULL) AS customer_exists, "
                        "EXISTS (SELECT FROM subscriptions WHERE customer_id = $1 "
                        "AND status NOT IN " FINAL " AND COALESCE(ends_at > $2, true)) "
                        "AS subscription_exists"},
        [CANCEL] = {"subscription_cancel", ROW, .sql = billing_subscription_cancel_sql},
        [CANCEL_TRIAL] = {"subscription_cancel_trial", ROW,
                          .sql = "UPDATE subscriptions s SET status = 'canceled', "
                                 "canceled_at = $2, ended_at = $2, version = version + 1, "
                                 "updated_at = $2 WHERE customer_id = $1 "
                                 "AND stripe_subscription_id IS NULL AND contract_id IS NULL "
                                 "AND status = 'trialing' RETURNING " SUBSCRIPTION_COLUMNS},
        [LOCK] = {"subscription_lock",
                  .sql = "SELECT subscription_id FROM subscriptions s WHERE customer_id = "
                         "$1 " COUNTS_FIRST("$2") "LIMIT 1 FOR UPDATE"},
        [TOUCH] = {"subscription_touch",
                   .sql = "UPDATE subscriptions SET version = version + 1 "
                          "WHERE subscription_id = (SELECT subscription_id "
                          "  FROM subscriptions s WHERE customer_id = $1 " COUNTS_FIRST(
                                  "$2") "LIMIT 1)"},
        [EXPIRE_TRIALS] = {"subscription_expire_trials", ROW,
                           .sql = billing_subscription_expire_trials_sql},
        [OPEN_AT_STRIPE] = {"subscription_open_at_stripe", ROW,
                            .sql = "SELECT " SUBSCRIPTION_COLUMNS " FROM subscriptions s "
                                   "WHERE s.customer_id = $1 "
                                   "AND s.stripe_subscription_id IS NOT NULL "
                                   "AND s.status NOT IN " FINAL " ORDER BY s.subscription_id"},
};

const struct statement_list subscription_statements = STATEMENT_LIST(statements);

bool
subscription_is_contract(const struct subscription *subscription)
{
	return subscription->contract_id != NULL;
}

const char *
subscription_kind(const struct subscription *subscription)
{
	if (subscription_is_contract(subscription))
		return "contract";
	return subscription->stripe_subscription_id != NULL ? "stripe" : "trial";
}

struct instant
subscription_period_end(const struct subscription *subscription)
{
	return subscription->current_period_ends_at.known ? subscription->current_period_ends_at
	                                                  : subscription->trial_ends_at;
}

enum fail
subscription_newest(struct operation *operation, const char *customer_id,
                    const struct subscription **out)
{
	struct subscription *row = arena_alloc(operation->task->arena, sizeof(*row));
	bool found;

	TRY(db_row(operation->db, operation->task, &statements[NEWEST],
	           PARAMETERS(customer_id, param_now(operation)), row, &found));
	*out = found ? row : NULL;
	return FAIL_NONE;
}

static enum fail
trial_obstacle(struct operation *operation, const char *customer_id, struct trial_attempt *out)
{
	bool found;

	return db_row(operation->db, operation->task, &statements[TRIAL_OBSTACLE],
	              PARAMETERS(customer_id, param_now(operation)), out, &found);
}

enum fail
subscription_find(struct operation *operation, const char *customer_id,
                  struct subscription *out)
{
	struct trial_attempt known;
	bool found;

	TRY(db_row(operation->db, operation->task, &statements[FIND],
	           PARAMETERS(customer_id, param_now(operation)), out, &found));
	if (found)
		return FAIL_NONE;
	TRY(trial_obstacle(operation, customer_id, &known));
	if (!known.customer_exists)
		return fail_customer_not_found(operation->task);
	return fail_subscription_not_found(operation->task);
}

/* The failure of an attempt that inserted nothing. */
static enum fail
refuse_trial(struct operation *operation, const char *customer_id)
{
	struct trial_attempt attempt;

	TRY(trial_obstacle(operation, customer_id, &attempt));
	if (!attempt.customer_exists)
		return fail_customer_not_found(operation->task);
	if (attempt.subscription_exists)
		return task_fail(operation->task, FAIL_CONFLICT, "subscription_exists",
		                 "The customer has a subscription already.");
	return task_fail(operation->task, FAIL_CONFLICT, "trial_used",
	                 "This customer or e-mail address has had its trial.");
}

enum fail
subscription_start_trial(struct operation *operation, const char *customer_id,
                         struct subscription *out)
{
	struct task *task = operation->task;
	const struct plans *plans = &operation->billing->plans;
	struct instant ends = INSTANT_MS(operation->now_ms + plans->trial_days * DAY_MS);
	struct customer customer;
	struct address address;
	bool started, deleted;

	TRY(db_begin(operation->db, task));
	TRY(customer_lock(operation, customer_id, &deleted));
	TRY(customer_find(operation, customer_id, &customer));
	TRY(address_read(task, customer.email, &address));
	TRY(db_row(operation->db, task, &statements[START_TRIAL],
	           PARAMETERS(customer_id, param_now(operation), plans->trial_plan,
	                      param_time(task, ends), param_digest(task, &address.trial),
	                      param_digest(task, &address.skeleton), param_bool(address.plain)),
	           out, &started));
	if (!started)
		return refuse_trial(operation, customer_id);
	TRY(audit_record_values(operation, "trial_start", customer_id, NULL, NULL, NULL,
	                        subscription_trial_state(task->arena, out, out->status)));
	TRY(event_write(operation, EVENT_TRIAL_STARTED, customer_id,
	                subscription_text(operation, out)));
	return db_commit(operation->db, task);
}

const char *
subscription_trial_state(struct arena *arena, const struct subscription *subscription,
                         const char *status)
{
	struct json_out json = json_out_new(arena, 128);

	json_out_open(&json, NULL, '{');
	json_out_string(&json, "plan", subscription->plan);
	json_out_string(&json, "status", status);
	json_out_time(&json, "trial_ends_at", subscription->trial_ends_at);
	json_out_close(&json, '}');
	return json.text.data;
}

/* Runs a statement that ends subscriptions and returns them, and writes an event about each that it
 * ended now. */
static enum fail
end_rows(struct operation *operation, int statement, struct parameters parameters,
         enum event_type type, int64_t *ended)
{
	const struct subscription *rows;
	size_t count;

	TRY(db_rows(operation->db, operation->task, &statements[statement], parameters,
	            (void *)&rows, &count));
	*ended = 0;
	for (size_t i = 0; i < count; i++) {
		if (rows[i].updated_at.ms != operation->now_ms)
			continue;
		++*ended;
		TRY(event_write(operation, type, rows[i].customer_id,
		                subscription_text(operation, &rows[i])));
	}
	return FAIL_NONE;
}

enum fail
subscription_cancel(struct operation *operation, const char *customer_id)
{
	int64_t ended;

	return end_rows(operation, CANCEL, PARAMETERS(customer_id, param_now(operation)),
	                EVENT_SUBSCRIPTION_CANCELED, &ended);
}

enum fail
subscription_cancel_trial(struct operation *operation, const char *customer_id, bool *ended)
{
	int64_t rows;

	TRY(end_rows(operation, CANCEL_TRIAL, PARAMETERS(customer_id, param_now(operation)),
	             EVENT_SUBSCRIPTION_CANCELED, &rows));
	*ended = rows > 0;
	return FAIL_NONE;
}

enum fail
subscription_touch(struct operation *operation, const char *customer_id)
{
	return db_run(operation->db, operation->task, &statements[TOUCH],
	              PARAMETERS(customer_id, param_now(operation)), NULL);
}

enum fail
subscription_lock(struct operation *operation, const char *customer_id)
{
	return db_run(operation->db, operation->task, &statements[LOCK],
	              PARAMETERS(customer_id, param_now(operation)), NULL);
}

enum fail
subscription_expire_trials(struct operation *operation, int64_t *ended)
{
	struct task *task = operation->task;

	TRY(db_begin(operation->db, task));
	TRY(end_rows(operation, EXPIRE_TRIALS,
	             PARAMETERS(param_now(operation), param_int(task, operation->batch),
	                        operation->actor, task->request_id),
	             EVENT_TRIAL_EXPIRED, ended));
	return db_commit(operation->db, task);
}

enum fail
subscription_open_at_stripe(struct operation *operation, const char *customer_id,
                            const struct subscription **out, size_t *count)
{
	return db_rows(operation->db, operation->task, &statements[OPEN_AT_STRIPE],
	               PARAMETERS(customer_id), (void *)out, count);
}
