/* price_plans.c: which plan a price of Stripe's buys, where STRIPE_PRICES does not name it. */
#include "sync/price_plans.h"

#include "base/arena.h"
#include "base/text.h"
#include "billing/audit.h"
#include "outbox/fetch.h"
#include "outbox/locks.h"
#include "plans/plans_terms.h"
#include "sync/sweep.h"
#include "json/out.h"

/* At most PRODUCTS_MAX products are looked up for one subscription. */
enum { PRODUCTS_MAX = 5 };

struct mapped {
	const char *price_id;
	const char *plan;
};

#define FINAL "('canceled', 'incomplete_expired')"

enum { MAPPED, READ, MAP, UNMAP, MARK, END_ACCESS, RESYNC };

extern const char sync_price_resync_sql[]; /* price_resync.sql */

static const struct statement statements[] = {
        [MAPPED] = {"price_plans_mapped", ROWS_WITH(struct mapped, price_id, plan),
                    .sql = "SELECT price_id, plan FROM stripe_prices "
                           "WHERE price_id = ANY ($1::text[])"},
        [READ] = {"price_mapping_read",
                  ROWS_WITH(struct price_mapping, plan_before, known_before, subscriptions,
                            waiting),
                  .sql = "SELECT m.plan AS plan_before, "
                         "m.price_id IS NOT NULL AS known_before, "
                         "(SELECT count(*) FROM subscriptions WHERE stripe_price_id = $1 "
                         "  AND status NOT IN " FINAL " "
                         "  AND price_ends_access_at IS NULL) AS subscriptions, "
                         "(SELECT count(*) FROM stripe_unknown_prices WHERE price_id = $1) "
                         "  AS waiting "
                         "FROM (SELECT) one LEFT JOIN stripe_prices m ON m.price_id = $1"},
        [MAP] = {"price_mapping_map",
                 .sql = "INSERT INTO stripe_prices (price_id, plan, mapped_at) "
                        "VALUES ($1, $2, $3) ON CONFLICT (price_id) DO UPDATE SET "
                        "plan = EXCLUDED.plan, mapped_at = EXCLUDED.mapped_at"},
        [UNMAP] = {"price_mapping_unmap",
                   .sql = "DELETE FROM stripe_prices WHERE price_id = $1"},
        [MARK] = {"price_mapping_mark",
                  .sql = "UPDATE subscriptions SET unmapped_price_id = $2 "
                         "WHERE stripe_price_id = $1 AND status NOT IN " FINAL
                         " AND unmapped_price_id IS DISTINCT FROM $2"},
        [END_ACCESS] = {"price_mapping_end_access",
                        .sql = "UPDATE subscriptions SET price_ends_access_at = $2, "
                               "version = version + 1, updated_at = $2 "
                               "WHERE stripe_price_id = $1 AND status NOT IN " FINAL
                               " AND price_ends_access_at IS NULL"},
        [RESYNC] = {"price_mapping_resync", .sql = sync_price_resync_sql},
};

const struct statement_list price_plan_statements = STATEMENT_LIST(statements);

static bool
is_in_settings(const struct billing *billing, const char *price_id)
{
	return price_list_find(&billing->plan_prices, price_id) != NULL ||
	       price_list_find(&billing->addon_prices, price_id) != NULL ||
	       price_list_find(&billing->meter_prices, price_id) != NULL;
}

/* The text if it is the id of one of our plans or add-ons, also of an older file. */
static const char *
own_plan(const struct billing *billing, const char *named)
{
	return named != NULL && (plans_are_known(&billing->plans, named) ||
	                         plans_known_addon(&billing->plans, named) != NULL)
	               ? named
	               : NULL;
}

/* The items whose prices no setting names. */
static size_t
unlisted_items(const struct operation *operation, const struct stripe_subscription *stripe,
               struct stripe_item *out, const char **price_ids)
{
	size_t count = 0;

	for (size_t i = 0; i < stripe->item_count; i++) {
		const struct stripe_item *item = &stripe->items[i];

		if (item->price_id == NULL ||
		    is_in_settings(operation->billing, item->price_id))
			continue;
		out[count] = *item;
		price_ids[count++] = item->price_id;
	}
	return count;
}

static const struct mapped *
mapped_find(const struct mapped *rows, size_t count, const char *price_id)
{
	for (size_t i = 0; i < count; i++)
		if (text_equal(rows[i].price_id, price_id))
			return &rows[i];
	return NULL;
}

/* Takes the plans of the items, and keeps those whose prices remain unknown. */
static void
take_plans(const struct operation *operation, enum price_sources sources,
           const struct mapped *rows, size_t row_count, struct sold_subscription *out)
{
	const struct billing *billing = operation->billing;
	size_t count = out->unknown_count;

	out->unknown_count = 0;
	for (size_t i = 0; i < count; i++) {
		const struct stripe_item *item = &out->unknown[i];
		const struct mapped *row = mapped_find(rows, row_count, item->price_id);
		const char *plan = own_plan(billing, row != NULL ? row->plan : item->sells);

		if (row != NULL && row->plan == NULL)
			continue;
		if (row == NULL && sources == PRICES_MAPPED)
			plan = NULL;
		if (plan == NULL)
			out->unknown[out->unknown_count++] = *item;
		else
			sold_subscription_add(operation, out, item, plan, 0);
		out->by_metadata = out->by_metadata || (plan != NULL && row == NULL);
	}
}

/* Fetches the plan that the product of a price names; NULL: none. */
static enum fail
fetch_plan(struct operation *operation, const struct stripe_item *item, const char **plan)
{
	struct json_view product;
	enum fail kind;

	*plan = own_plan(operation->billing, item->product_sells);
	if (*plan != NULL || item->product_id == NULL)
		return FAIL_NONE;
	kind = stripe_fetch(operation, "/v1/products/%s", item->product_id, NULL, &product);
	if (kind == FAIL_NONE)
		*plan = own_plan(operation->billing, stripe_metadata_sells(&product));
	else if (stripe_is_away(operation, kind))
		return kind;
	task_clear(operation->task);
	return FAIL_NONE;
}

static enum fail
take_plans_of_products(struct operation *operation, struct sold_subscription *out)
{
	size_t count = out->unknown_count, left = 0;
	bool has_plan = out->plan != NULL;

	for (size_t i = 0; i < count; i++) {
		const struct stripe_item *item = &out->unknown[i];
		const char *plan = NULL;

		if (i < PRODUCTS_MAX)
			TRY(fetch_plan(operation, item, &plan));
		if (has_plan && plan != NULL &&
		    plans_find(&operation->billing->plans, plan) != NULL)
			plan = NULL;
		if (plan == NULL)
			out->unknown[left++] = *item;
		else
			sold_subscription_add(operation, out, item, plan, 0);
		out->by_metadata = out->by_metadata || plan != NULL;
	}
	out->unknown_count = left;
	return FAIL_NONE;
}

static enum fail
find_plans(struct operation *operation, enum price_sources sources,
           struct sold_subscription *subscription)
{
	struct task *task = operation->task;
	size_t most = subscription->stripe.item_count + 1, row_count;
	const char **ids = arena_array(task->arena, most, sizeof(*ids));
	const struct mapped *rows;
	struct string_list list = {true, 0, ids};

	subscription->unknown = arena_array(task->arena, most, sizeof(*subscription->unknown));
	list.count =
	        unlisted_items(operation, &subscription->stripe, subscription->unknown, ids);
	subscription->unknown_count = list.count;
	if (list.count == 0)
		return FAIL_NONE;
	TRY(db_rows(operation->db, task, &statements[MAPPED],
	            PARAMETERS(param_list(task, &list)), (void *)&rows, &row_count));
	take_plans(operation, sources, rows, row_count, subscription);
	/* Beside a known plan only an add-on may be unknown. */
	if (sources == PRICES_PRODUCTS &&
	    (subscription->plan == NULL || plans_known_addons(&operation->billing->plans) > 0))
		return take_plans_of_products(operation, subscription);
	return FAIL_NONE;
}

enum fail
price_plans_find(struct operation *operation, enum price_sources sources,
                 struct sold_subscription *subscription)
{
	TRY(find_plans(operation, sources, subscription));
	sold_subscription_take_unknown(subscription);
	return FAIL_NONE;
}

enum fail
price_mapping_read(struct operation *operation, const char *price_id, struct price_mapping *out)
{
	bool found;

	*out = (struct price_mapping){0};
	TRY(db_row(operation->db, operation->task, &statements[READ], PARAMETERS(price_id), out,
	           &found));
	out->price_id = price_id;
	return FAIL_NONE;
}

enum fail
price_mapping_check(struct operation *operation, const struct price_mapping *mapping,
                    bool remove)
{
	struct task *task = operation->task;

	if (is_in_settings(operation->billing, mapping->price_id))
		return task_fail(task, FAIL_CONFLICT, "price_in_settings",
		                 "The settings name the price %s, and they count; take it "
		                 "out of STRIPE_PRICES first.",
		                 mapping->price_id);
	if (remove && !mapping->known_before)
		return task_fail(task, FAIL_NOT_FOUND, "price_not_mapped",
		                 "The price %s is not mapped.", mapping->price_id);
	if (mapping->plan == NULL || own_plan(operation->billing, mapping->plan) != NULL)
		return FAIL_NONE;
	return task_fail(task, FAIL_INVALID, "unknown_plan",
	                 "PLANS_FILE has no plan %s, nor an add-on of that name.",
	                 mapping->plan);
}

/* The plan of a price, for the audit trail; NULL: the price is not mapped. */
static const char *
mapped(struct task *task, bool known, const char *plan)
{
	struct json_out json = json_out_new(task->arena, 64);

	json_out_open(&json, NULL, '{');
	json_out_string(&json, "plan", plan);
	json_out_close(&json, '}');
	return known ? json.text.data : NULL;
}

enum fail
price_mapping_change(struct operation *operation, const struct price_mapping *mapping,
                     bool remove)
{
	struct task *task = operation->task;
	const char *price_id = mapping->price_id, *now = param_now(operation);

	TRY(price_mapping_check(operation, mapping, remove));
	TRY(db_begin(operation->db, task));
	if (remove)
		TRY(db_run(operation->db, task, &statements[UNMAP], PARAMETERS(price_id),
		           NULL));
	else
		TRY(db_run(operation->db, task, &statements[MAP],
		           PARAMETERS(price_id, mapping->plan, now), NULL));
	/* The price's or product's metadata may name a plan: the sync decides. */
	TRY(db_run(operation->db, task, &statements[MARK],
	           PARAMETERS(price_id, remove ? price_id : NULL), NULL));
	if (!remove && mapping->plan == NULL)
		TRY(db_run(operation->db, task, &statements[END_ACCESS],
		           PARAMETERS(price_id, now), NULL));
	TRY(db_run(
	        operation->db, task, &statements[RESYNC],
	        PARAMETERS(price_id, param_bool(operation->billing->sales.live),
	                   arena_printf(task->arena, "map_%lld_", (long long)operation->now_ms),
	                   mapping->plan_before),
	        NULL));
	/* Stripe alone knows which subscriptions have an item at the price beside their plan's. */
	if (mapping->plan != NULL &&
	    plans_known_addon(&operation->billing->plans, mapping->plan) != NULL)
		TRY(stripe_sweep_make_due(operation, "subscriptions"));
	TRY(audit_record_values(operation, remove ? "price_unmap" : "price_map", NULL, price_id,
	                        mapping->plan,
	                        mapped(task, mapping->known_before, mapping->plan_before),
	                        mapped(task, !remove, mapping->plan)));
	TRY(stripe_jobs_wake(operation));
	return db_commit(operation->db, task);
}
