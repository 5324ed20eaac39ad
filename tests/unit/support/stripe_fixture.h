/* stripe_fixture.h: an installation that sells through Stripe, a customer in its trial, and
 * functions that write the customer's subscriptions as one line. There are no signing keys. */
#pragma once

#include "support/billing_fixture.h"

#include "base/log.h"
#include "base/text.h"
#include "stripe/objects.h"

#define AT(days_) INSTANT_MS(NOW_MS + (days_)*DAY_MS)

struct stripe_state {
	const char *text;
};

/* A customer in the second of fourteen days of its trial. */
static inline void
stripe_customer(void)
{
	static const struct statement statement = {
	        .name = "test_customer",
	        .sql = "WITH customer AS (INSERT INTO customers (customer_id, email, "
	               "created_at, "
	               "updated_at) VALUES ($1, $1 || '@example.com', $2, $2) "
	               "RETURNING customer_id) "
	               "INSERT INTO subscriptions (customer_id, plan, status, trial_ends_at, "
	               "created_at, updated_at) SELECT customer_id, 'starter', 'trialing', $3, "
	               "$2, $2 FROM customer"};

	customer_id = random_id(task.arena, "cust_", 16);
	fine(db_run(
	        operation.db, &task, &statement,
	        PARAMETERS(customer_id, param_time(&task, AT(-1)), param_time(&task, AT(13))),
	        NULL));
}

static inline void
stripe_setup(void)
{
	task = suite_task();
	task.request_id = "unit-test";
	log_set_level(LOG_LEVEL_ERROR);
	billing = (struct billing){.policy = {.past_due_grace_days = 7}};
	billing.plan_prices = (struct price_list){
	        .items = {{"price_s", "starter", 0},
	                  {"price_p", "professional", 0},
	                  {"price_sy", "starter", 1},
	                  {"price_py", "professional", 1}},
	        .count = 4,
	};
	billing.sales = (struct sales_policy){
	        .configured = true,
	        .webhook_secrets = "whsec_unit",
	        .base_url = "https://billing.example.com",
	        .return_origins = "",
	        .refund_policy = "keep",
	        .dispute_policy = "keep",
	        .deadline_ms = 10000,
	        .event_tries = 12,
	};
	operation = (struct operation){
	        .task = &task,
	        .db = database_open(database_url(), DATABASE_PATIENT_MS, true),
	        .billing = &billing,
	        .actor = "system:test",
	        .now_ms = NOW_MS};
	fine(plans_load(&task, "conf/plans.json", &billing.plans));
	stripe_customer();
}

/* The text that a test's own statement returns for the parameters. */
static inline const char *
stripe_text(const struct statement *statement, struct parameters parameters)
{
	struct stripe_state state = {"nothing"};
	bool found;

	fine(db_row(operation.db, operation.task, statement, parameters, &state, &found));
	return state.text == NULL ? "" : state.text;
}

static const struct column stripe_state_columns[] = COLUMNS(struct stripe_state, text);
#define STRIPE_TEXT .columns = stripe_state_columns, .row_size = sizeof(struct stripe_state)

/* "sub_a:active+ trial:canceled-": each subscription's status, + for the one that counts. */
static inline const char *
subscriptions_now(void)
{
	static const struct statement statement = {
	        .name = "test_subscriptions_now",
	        STRIPE_TEXT,
	        .sql = "SELECT string_agg(COALESCE(stripe_subscription_id, 'trial') || ':' || "
	               "status || CASE WHEN superseded THEN '-' ELSE '+' END, ' ' "
	               "ORDER BY stripe_subscription_id) AS text "
	               "FROM subscriptions WHERE customer_id = $1"};

	return stripe_text(&statement, PARAMETERS(customer_id));
}

static inline void
subscriptions_are(const char *wanted)
{
	ck_assert_str_eq(subscriptions_now(), wanted);
}

/* The number that a test's own statement returns, in the open transaction. */
static inline int64_t
stripe_number(const struct statement *statement, struct parameters parameters)
{
	struct database_number row = {.number = -1};
	bool found;

	fine(db_row(operation.db, operation.task, statement, parameters, &row, &found));
	return row.number;
}

static const struct column stripe_number_columns[] = COLUMNS(struct database_number, number);
#define STRIPE_NUMBER                                                                          \
	.columns = stripe_number_columns, .row_size = sizeof(struct database_number)

/* How often the audit trail has this action of the customer. */
static inline int64_t
audited(const char *action)
{
	static const struct statement statement = {
	        .name = "test_audited",
	        STRIPE_NUMBER,
	        .sql = "SELECT count(*) AS number FROM audit_log WHERE customer_id = $1 "
	               "AND action = $2"};

	return stripe_number(&statement, PARAMETERS(customer_id, action));
}

/* The customer's events of the type. */
static inline int64_t
written(const char *type)
{
	static const struct statement statement = {
	        .name = "test_written",
	        STRIPE_NUMBER,
	        .sql = "SELECT count(*) AS number FROM events WHERE customer_id = $1 "
	               "AND type = $2"};

	return stripe_number(&statement, PARAMETERS(customer_id, type));
}
