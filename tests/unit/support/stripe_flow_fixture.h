/* stripe_flow_fixture.h: the customer of stripe_fixture.h, and a client of Stripe that gets
 * scripted answers. Bodies write ' for ", and %s for the part of ids that differs between
 * tests. */
#pragma once

#include "support/stripe_fixture.h"
#include "support/stripe_io.h"

#include "outbox/calls.h"
#include "subscriptions/subscriptions.h"
#include "sync/events.h"

#define DEADLINE_US 10000000
/* Answers that are not tried again. */
#define BODY(body_)                                                                            \
	{                                                                                      \
		.status = 200, .body = (body_)                                                 \
	}
#define REPLAYED(body_)                                                                        \
	{                                                                                      \
		.status = 200, .replayed = true, .body = (body_)                               \
	}
#define REFUSED(status_)                                                                       \
	{                                                                                      \
		.status = (status_)                                                            \
	}
#define BUSY                                                                                   \
	{                                                                                      \
		.status = 429, .should_retry = "false"                                         \
	}
#define BROKEN                                                                                 \
	{                                                                                      \
		.status = 500, .should_retry = "false"                                         \
	}
#define SILENT                                                                                 \
	{                                                                                      \
		.unsent = true, .takes_us = 2 * DEADLINE_US                                    \
	}
/* An answer that must never be needed. */
#define END                                                                                    \
	{                                                                                      \
		.status = 599, .should_retry = "false"                                         \
	}

#define SUBSCRIPTION(status, price)                                                            \
	"{'id':'sub_1','object':'subscription','customer':'cus_1','status':'" status "',"      \
	"'created':1739580000,'items':{'data':[{'id':'si_1','quantity':2,'price':{'id':"       \
	"'" price "'},'current_period_end':1747000000}]},'metadata':{'customer_id':'OURS'}}"

static struct world world;

/* Tests of other programs have events, subscriptions and customers of the same names. */
static inline void
flow_clear(void)
{
	struct db *db = database_open(database_url(), DATABASE_PATIENT_MS, false);

	database_script(
	        db, &task,
	        "DELETE FROM stripe_events; DELETE FROM stripe_calls; DELETE FROM invoices;"
	        "DELETE FROM stripe_unknown_prices; DELETE FROM stripe_prices;"
	        "DELETE FROM stripe_account;"
	        "DELETE FROM subscriptions WHERE stripe_subscription_id IS NOT NULL;"
	        "UPDATE customers SET stripe_customer_id = NULL");
	db_free(db);
}

/* The requests that were sent while the open transaction had an id. Readers of the log of events would
 * have waited for Stripe. */
static int flow_asked_with_id;

static inline void
flow_on_ask(void)
{
	static const struct statement statement = {
	        .name = "test_has_id",
	        STRIPE_TEXT,
	        .sql = "SELECT (pg_current_xact_id_if_assigned() IS NOT NULL)::text AS text"};

	flow_asked_with_id += text_equal(stripe_text(&statement, NO_PARAMETERS), "true");
}

static inline void
flow_setup(void)
{
	stripe_setup();
	flow_clear();
	world_begin(&world, task.arena);
	operation.stripe = world.client;
	operation.deadline_us = world.now_us + DEADLINE_US;
	world.on_ask = flow_on_ask;
	flow_asked_with_id = 0;
}

static inline void
flow_teardown(void)
{
	ck_assert_int_eq(flow_asked_with_id, 0);
	db_rollback_to(operation.db, 0);
	flow_clear();
	world_end(&world);
	fixture_teardown();
}

/* The text with JSON's quotes, and with our customer's id for OURS. */
static inline const char *
flow_body(const char *text)
{
	struct text out = text_new(task.arena, 512);

	for (; *text != '\0'; text++)
		if (strncmp(text, "OURS", 4) == 0) {
			text_add(&out, customer_id);
			text += 3;
		} else {
			text_add_char(&out, *text == '\'' ? '"' : *text);
		}
	return out.data;
}

static inline void
flow_script(const struct scripted *script, size_t count)
{
	struct scripted *copy = arena_array(task.arena, count + 1, sizeof(*copy));

	for (size_t i = 0; i < count; i++) {
		copy[i] = script[i];
		if (copy[i].body != NULL)
			copy[i].body = flow_body(copy[i].body);
	}
	copy[count] = (struct scripted)END;
	world_script(&world, copy, count + 1);
	operation.deadline_us = world.now_us + DEADLINE_US;
}

#define SCRIPT(...)                                                                            \
	flow_script((const struct scripted[]){__VA_ARGS__},                                    \
	            sizeof((const struct scripted[]){__VA_ARGS__}) / sizeof(struct scripted))

/* "POST /v1/customers GET /v1/subscriptions/sub_1": the requests, without queries. */
static inline const char *
flow_asked(void)
{
	struct text out = text_new(task.arena, 256);

	for (size_t i = 0; i < world.asked_count; i++) {
		const char *path = world.asked[i].http.url + strlen(STRIPE_TEST_BASE);

		text_printf(&out, "%s%s %.*s", i == 0 ? "" : " ", world.asked[i].http.method,
		            (int)strcspn(path, "?"), path);
	}
	return out.data;
}

static inline void
asked(const char *wanted)
{
	ck_assert_str_eq(flow_asked(), wanted);
}

/* "checkout:failed abandoned": each call with its error. */
static inline const char *
calls_now(void)
{
	static const struct statement statement = {
	        .name = "test_calls_now",
	        STRIPE_TEXT,
	        .sql = "SELECT string_agg(kind || ':' || state || COALESCE(' ' || error, ''), "
	               "', ' "
	               "ORDER BY call_id) AS text FROM stripe_calls"};

	return stripe_text(&statement, NO_PARAMETERS);
}

static inline const char *
linked(void)
{
	static const struct statement statement = {
	        .name = "test_linked",
	        STRIPE_TEXT,
	        .sql = "SELECT COALESCE(stripe_customer_id, 'nobody') AS text FROM customers "
	               "WHERE customer_id = $1"};

	return stripe_text(&statement, PARAMETERS(customer_id));
}

/* Runs SQL with the customer as $1 and `value` as $2. */
static inline void
flow_change(const char *name, const char *sql, const char *value)
{
	const struct statement statement = {.name = name, .sql = sql};

	fine(db_run(operation.db, &task, &statement, PARAMETERS(customer_id, value), NULL));
}

/* Runs a step of a job, which finds one thing to do, as its process does. */
static inline enum fail flow_run(enum fail (*job)(struct operation *operation, int64_t *done))
{
	int64_t done = 0;
	enum fail kind = job(&operation, &done);

	ck_assert_int_eq(done, 1);
	db_rollback_to(operation.db, 0);
	task_clear(&task);
	return kind;
}

static inline void
link_customer(void)
{
	flow_change("test_link",
	            "UPDATE customers SET stripe_customer_id = $2 WHERE "
	            "customer_id = $1",
	            "cus_1");
}

/* Stores the subscription as Stripe's sync would. */
static inline void
store_synced(const char *id, const char *status)
{
	static const struct stripe_item item = {.price_id = "price_s", .quantity = 2};
	const struct sold_subscription one = {
	        .stripe = {.id = id,
	                   .customer = "cus_1",
	                   .status = status,
	                   .items = &item,
	                   .item_count = 1,
	                   .created = INSTANT_MS(1739580000000)},
	        .item = {.price_id = "price_s", .period_end = INSTANT_MS(1747000000000)},
	        .plan = "starter",
	};
	bool changed;

	fine(db_begin(operation.db, &task));
	fine(subscription_sync_store(&operation, customer_id, &one, &changed));
	fine(db_commit(operation.db, &task));
}
