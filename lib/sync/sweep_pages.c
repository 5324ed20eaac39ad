/* sweep_pages.c: compares a page of Stripe's data with ours. */
#include "sync/sweep_pages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "billing/customers.h"
#include "outbox/account.h"
#include "outbox/fetch.h"
#include "stripe/form.h"
#include "subscriptions/bought.h"
#include "subscriptions/recurring.h"
#include "subscriptions/sold_items.h"
#include "subscriptions/subscriptions.h"
#include "subscriptions/unknown_prices.h"
#include "sync/events.h"
#include "sync/families.h"
#include "sync/objects.h"
#include "sync/price_plans.h"
#include "json/view.h"

enum { PAGE = 50, UNSEEN_PAGE = 20 };

static void
report(struct stripe_sweep *sweep, const struct stripe_difference *difference)
{
	sweep->differences++;
	sweep->reporter.report(difference, sweep->reporter.closure);
}

/* Fetches the page after `sweep->after`, which becomes its last id; `*last`: there is no
 * other. */
static enum fail
fetch_page(struct operation *operation, struct stripe_sweep *sweep, const char *path,
           struct stripe_form *form, struct json_view *data, bool *last)
{
	struct json_view item;
	const char *id = NULL;
	bool more;

	stripe_form_int(form, "limit", PAGE);
	if (sweep->after[0] != '\0')
		stripe_form_string(form, "starting_after", sweep->after);
	TRY(stripe_fetch_list(operation, path, NULL, form->text.data, data, &more));
	for (bool next = json_view_first(data, &item); next; next = json_view_next(&item))
		if (!json_view_string(&item, "id", &id))
			id = NULL;
	*last = !more || id == NULL;
	(void)snprintf(sweep->after, sizeof(sweep->after), "%s", *last ? "" : id);
	return FAIL_NONE;
}

static enum fail
compare_event(struct operation *operation, struct stripe_sweep *sweep,
              const struct json_view *object)
{
	struct stripe_event event;
	bool is_new;

	if (!event_read(object, &event) || event.ref.family == NULL)
		return FAIL_NONE;
	if (sweep->dry_run)
		TRY(stripe_event_is_new(operation, event.id, &is_new));
	else
		TRY(stripe_event_receive(operation, &event, json_view_source(object), "sweep",
		                         &is_new));
	if (is_new)
		report(sweep,
		       &(struct stripe_difference){.what = "event",
		                                   .id = event.id,
		                                   .customer_id = event_customer_id(&event.ref),
		                                   .theirs = event.type});
	return FAIL_NONE;
}

/* Each part of the sweep looks at as many types as Stripe lists at once. */
enum fail
stripe_sweep_events(struct operation *operation, struct stripe_sweep *sweep)
{
	struct arena *arena = operation->task->arena;
	struct stripe_form form = stripe_form_new(arena);
	const size_t first = (size_t)sweep->part * EVENT_TYPES_LISTED;
	struct json_view data, item;
	const char *type;
	bool last;

	for (size_t i = 0;
	     i < EVENT_TYPES_LISTED && (type = event_type(EVENT_SWEPT, first + i)) != NULL; i++)
		stripe_form_string(&form, arena_printf(arena, "types[%zu]", i), type);
	stripe_form_int(&form, "created[gte]", sweep->since.ms / SECOND_MS);
	TRY(fetch_page(operation, sweep, "/v1/events", &form, &data, &last));
	for (bool more = json_view_first(&data, &item); more; more = json_view_next(&item))
		TRY(compare_event(operation, sweep, &item));
	sweep->finished = last && event_type(EVENT_SWEPT, first + EVENT_TYPES_LISTED) == NULL;
	if (last && !sweep->finished)
		sweep->part++;
	return FAIL_NONE;
}

/* The first time that is known, as text; NULL: neither is. */
static const char *
time_text(struct arena *arena, struct instant first, struct instant second)
{
	char text[CLOCK_TEXT_SIZE];

	if (!first.known && !second.known)
		return NULL;
	clock_format(first.known ? first.ms : second.ms, text);
	return arena_copy(arena, text);
}

static const char *
flag_text(bool flag)
{
	return flag ? "true" : "false";
}

/* Reports the value if it differs; returns 1 then, else 0. */
static size_t
differs(struct stripe_sweep *sweep, const struct synced_subscription *row, const char *what,
        const char *ours, const char *theirs)
{
	if (text_equal(ours, theirs))
		return 0;
	report(sweep, &(struct stripe_difference){what, row->stripe_subscription_id,
	                                          row->customer_id, ours, theirs});
	return 1;
}

static const char *
number_text(struct arena *arena, int64_t number)
{
	return arena_printf(arena, "%lld", (long long)number);
}

/* Compares the plan, its quantity and the add-ons. While a payment is due, Stripe's list does not tell
 * whether it is of a change, which counts only once it is paid; nor does it tell whether the product of
 * an unknown price is an add-on. */
static size_t
compare_purchases(struct operation *operation, struct stripe_sweep *sweep,
                  const struct synced_subscription *ours, const struct sold_subscription *sold)
{
	struct arena *arena = operation->task->arena;
	const struct plans *plans = &operation->billing->plans;
	struct purchase purchase;
	struct bought theirs;
	size_t count;

	/* A contract says itself what it buys. */
	if (ours->contract_id != NULL)
		return 0;
	bought_find(operation, sold, ours, &theirs);
	if (text_equal(sold->stripe.status, "past_due") ||
	    text_equal(sold->stripe.status, "unpaid"))
		bought_take_back(operation, ours, &theirs);
	purchase_read(arena, plans, ours->quantity, ours->addons, &purchase);
	count = differs(sweep, ours, "plan", ours->plan, theirs.plan);
	if (plans_has_quantity(plans, theirs.plan))
		count += differs(sweep, ours, "quantity", number_text(arena, ours->quantity),
		                 number_text(arena, theirs.purchase.quantity));
	if (sold->unknown_count > 0)
		return count;
	return count + differs(sweep, ours, "addons",
	                       purchase_addons_text(arena, plans, &purchase),
	                       purchase_addons_text(arena, plans, &theirs.purchase));
}

/* Reports each value that differs, and returns how many. A value that Stripe's object lacks
 * does not differ. */
static size_t
compare_values(struct operation *operation, struct stripe_sweep *sweep,
               const struct synced_subscription *ours, const struct sold_subscription *sold)
{
	struct arena *arena = operation->task->arena;
	const struct stripe_subscription *theirs = &sold->stripe;
	const struct instant end = ours->current_period_ends_at,
	                     trial_end = ours->trial_ends_at;
	const struct {
		const char *what, *ours, *theirs;
	} values[] = {
	        {"status", ours->status, theirs->status},
	        {"period_end", time_text(arena, end, end),
	         time_text(arena, sold->item.period_end, end)},
	        {"trial_end", time_text(arena, trial_end, trial_end),
	         time_text(arena, theirs->trial_end, trial_end)},
	        {"cancel_at_period_end", flag_text(ours->cancel_at_period_end),
	         flag_text(theirs->cancel_at_period_end)},
	        {"cancel_at", time_text(arena, ours->cancel_at, INSTANT_NONE),
	         time_text(arena, theirs->cancel_at, INSTANT_NONE)},
	        {"pause_collection", ours->pause_behavior, theirs->pause_behavior},
	        {"recurring", ours->recurring,
	         recurring_listed(arena, theirs, ours->recurring)},
	        {"pause_resumes_at", time_text(arena, ours->pause_resumes_at, INSTANT_NONE),
	         time_text(arena, theirs->pause_resumes_at, INSTANT_NONE)},
	};
	size_t count = compare_purchases(operation, sweep, ours, sold);

	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
		count += differs(sweep, ours, values[i].what, values[i].ours, values[i].theirs);
	return count;
}

/* Whether the row is up to date. While a charge is on its way each sweep fetches the subscription: the list does
 * not show its invoice, and a host of an older version may have missed the payment. */
static bool
is_current(struct operation *operation, struct stripe_sweep *sweep,
           const struct synced_subscription *ours, const struct sold_subscription *theirs)
{
	return compare_values(operation, sweep, ours, theirs) == 0 &&
	       !ours->period_unpaid_from.known;
}

/* Stores an event of our own, so that the subscription is synced as after one of Stripe's. */
static enum fail
repair(struct operation *operation, const struct stripe_sweep *sweep, const char *id,
       const char *customer_id, const char *type)
{
	const struct stripe_event repair = {
	        .id = arena_printf(operation->task->arena, "sweep_%lld_%s",
	                           (long long)(sweep->started_at.ms / SECOND_MS), id),
	        .type = type,
	        .livemode = operation->billing->sales.live,
	        .created = INSTANT_MS(operation->now_ms),
	        .ref = {.family = "subscription", .subject = id, .customer_id = customer_id},
	};
	bool is_new;

	if (sweep->dry_run)
		return FAIL_NONE;
	return stripe_event_receive(operation, &repair, NULL, "sweep", &is_new);
}

/* Whether a subscription without a row needs none: it belongs to no customer here, sells something
 * else, or is recorded as paid at an unknown price. */
static enum fail
needs_no_row(struct operation *operation, const struct sold_subscription *sold,
             const char *customer_id, bool *out)
{
	*out = customer_id == NULL && (sold->plan == NULL || sold->by_metadata);
	if (*out || sold->plan != NULL)
		return FAIL_NONE;
	*out = sold->unknown_count == 0;
	return *out ? FAIL_NONE : unknown_prices_are_recorded(operation, sold, out);
}

static enum fail
compare_subscription(struct operation *operation, struct stripe_sweep *sweep,
                     const struct json_view *object, const char **id)
{
	struct sold_subscription sold;
	const struct stripe_subscription *theirs = &sold.stripe;
	struct synced_subscription ours;
	const char *customer_id;
	bool known, waits, needless;

	*id = "";
	if (!sold_subscription_read(operation, object, &sold))
		return FAIL_NONE;
	*id = theirs->id;
	TRY(price_plans_find(operation, PRICES_METADATA, &sold));
	TRY(subscription_sync_find(operation, theirs->id, &ours, &known));
	TRY(stripe_sync_must_wait(operation, theirs, known ? &ours : NULL, &waits));
	if (waits)
		return FAIL_NONE;
	if (known && is_current(operation, sweep, &ours, &sold))
		return FAIL_NONE;
	TRY(customer_of_stripe(operation, theirs->customer, theirs->id,
	                       own_customer_id(theirs->customer_id), &customer_id));
	if (!known) {
		TRY(needs_no_row(operation, &sold, customer_id, &needless));
		if (needless)
			return FAIL_NONE;
		report(sweep, &(struct stripe_difference){"subscription", theirs->id,
		                                          customer_id, NULL, theirs->status});
	}
	return repair(operation, sweep, theirs->id, customer_id, SWEEP_EVENT "subscription");
}

/* Keeps an id of a dry run. */
static void
remember_listed(struct stripe_sweep *sweep, const char *id)
{
	if (sweep->listed_count == sweep->listed_capacity) {
		size_t capacity = 2 * sweep->listed_capacity + PAGE;
		const char **grown = arena_array(sweep->memory, capacity, sizeof(*grown));

		if (sweep->listed_count > 0)
			memcpy(grown, sweep->listed, sweep->listed_count * sizeof(*grown));
		sweep->listed = grown;
		sweep->listed_capacity = capacity;
	}
	sweep->listed[sweep->listed_count++] = arena_copy(sweep->memory, id);
}

static int
compare_ids(const void *a, const void *b)
{
	const char *const *left = a, *const *right = b;

	return strcmp(*left, *right);
}

static bool
is_listed(const struct stripe_sweep *sweep, const char *id)
{
	return sweep->listed_count > 0 && bsearch(&id, sweep->listed, sweep->listed_count,
	                                          sizeof(*sweep->listed), compare_ids) != NULL;
}

/* Records which subscriptions were in Stripe's list: in their rows, or in memory for a dry
 * run. */
static enum fail
record_listed(struct operation *operation, struct stripe_sweep *sweep,
              const struct string_list *ids)
{
	if (!sweep->dry_run)
		return subscription_sync_seen(operation, ids, sweep->started_at);
	for (size_t i = 0; i < ids->count; i++)
		remember_listed(sweep, ids->items[i]);
	return FAIL_NONE;
}

/* Compares a page of Stripe's list, which has the subscriptions that have not ended. */
static enum fail
compare_listed(struct operation *operation, struct stripe_sweep *sweep, bool *last)
{
	struct arena *arena = operation->task->arena;
	struct stripe_form form = stripe_form_new(arena);
	struct json_view data, item;
	size_t count = 0;
	const char **ids;

	stripe_form_string(&form, "expand[0]", "data.customer");
	TRY(fetch_page(operation, sweep, "/v1/subscriptions", &form, &data, last));
	ids = arena_array(arena, json_view_count(&data) + 1, sizeof(*ids));
	for (bool more = json_view_first(&data, &item); more; more = json_view_next(&item))
		TRY(compare_subscription(operation, sweep, &item, &ids[count++]));
	return record_listed(operation, sweep, &(struct string_list){true, count, ids});
}

/* Compares a subscription that has not ended here and was not in Stripe's list. */
static enum fail
compare_unlisted(struct operation *operation, struct stripe_sweep *sweep,
                 const struct synced_subscription *ours)
{
	const char *id = ours->stripe_subscription_id;
	struct sold_subscription theirs;
	struct json_view object;
	enum fail kind = stripe_fetch(operation, "/v1/subscriptions/%s", id,
	                              "expand[0]=customer", &object);

	if (kind == FAIL_NOT_FOUND) {
		task_clear(operation->task);
		TRY(stripe_account_check(operation));
		report(sweep, &(struct stripe_difference){"subscription", id, ours->customer_id,
		                                          ours->status, NULL});
		return repair(operation, sweep, id, ours->customer_id,
		              SWEEP_EVENT "subscription.deleted");
	}
	TRY(kind);
	if (!sold_subscription_read(operation, &object, &theirs))
		return FAIL_NONE;
	TRY(price_plans_find(operation, PRICES_METADATA, &theirs));
	if (is_current(operation, sweep, ours, &theirs))
		return FAIL_NONE;
	return repair(operation, sweep, id, ours->customer_id, SWEEP_EVENT "subscription");
}

/* Compares some of the subscriptions that were not in Stripe's list. */
static enum fail
compare_unseen(struct operation *operation, struct stripe_sweep *sweep)
{
	const struct synced_subscription *rows;
	size_t count;

	if (sweep->dry_run)
		TRY(subscription_sync_open(operation, NULL, sweep->after, UNSEEN_PAGE, &rows,
		                           &count));
	else
		TRY(subscription_sync_unseen(operation, sweep->started_at, sweep->after,
		                             UNSEEN_PAGE, &rows, &count));
	for (size_t i = 0; i < count; i++) {
		if (!is_listed(sweep, rows[i].stripe_subscription_id))
			TRY(compare_unlisted(operation, sweep, &rows[i]));
		(void)snprintf(sweep->after, sizeof(sweep->after), "%s",
		               rows[i].stripe_subscription_id);
	}
	sweep->finished = count < UNSEEN_PAGE;
	return sweep->finished && !sweep->dry_run
	               ? unknown_prices_sync_unseen(operation, sweep->started_at)
	               : FAIL_NONE;
}

enum fail
stripe_sweep_subscriptions(struct operation *operation, struct stripe_sweep *sweep)
{
	bool last = false;

	if (sweep->part > 0)
		return compare_unseen(operation, sweep);
	TRY(compare_listed(operation, sweep, &last));
	if (last) {
		sweep->part = 1;
		if (sweep->listed_count > 0)
			qsort(sweep->listed, sweep->listed_count, sizeof(*sweep->listed),
			      compare_ids);
	}
	return FAIL_NONE;
}
