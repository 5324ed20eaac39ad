/* subscriptions.c: takes over the subscriptions of the original service. */
#include <string.h>

#include "accounts/adopt.h"
#include "base/arena.h"
#include "base/text.h"
#include "billing/customer_ids.h"
#include "billingctl-import/deals.h"
#include "billingctl-import/memory.h"
#include "billingctl-import/steps.h"

enum { STRIPE_ID_MAX = 255 };

/* The most days from now until the end of a period or a trial. */
static const int64_t furthest_days = 3660;

struct batch {
	const struct source_subscription *rows;
	struct subscription_to_adopt *items;
	size_t *row_of; /* the row of each item */
	size_t count;
	struct subscription *deals;
	size_t *deal_rows;
	size_t deal_count;
};

static const char *
given_id(const struct source_subscription *row)
{
	return row->customer_id == NULL ? "" : row->customer_id;
}

static bool
is_too_far(struct import *import, struct instant time)
{
	return time.known && time.ms > import->operation.now_ms + furthest_days * DAY_MS;
}

/* The plan as it is stored: a trial has the stored plan of trials. */
static const char *
plan_of(struct import *import, const struct source_subscription *row)
{
	const struct plans *plans = &import->ctl->billing.plans;

	if (row->plan == NULL)
		return NULL;
	if (strcmp(row->plan, "trial") == 0 && text_equal(row->status, "trialing"))
		return plans->trial_plan;
	return plans_find(plans, row->plan) == NULL ? NULL : row->plan;
}

static const char *
stripe_of(const struct source_subscription *row)
{
	return row->stripe_subscription_id == NULL ? NULL
	                                           : text_or_null(row->stripe_subscription_id);
}

/* NULL when the subscription can be taken over, else why not. */
static const char *
fault_of(struct import *import, const struct source_subscription *row)
{
	struct arena *arena = import->step.arena;
	const char *status = row->status == NULL ? "" : row->status;

	if (row->email == NULL || customer_id_of_text(arena, given_id(row)) == NULL)
		return "its customer was not taken over";
	if (plan_of(import, row) == NULL)
		return arena_printf(arena, "there is no plan \"%s\" in PLANS_FILE",
		                    row->plan == NULL ? "" : row->plan);
	if (strcmp(status, "none") == 0 || customer_check_status(status) != NULL)
		return arena_printf(arena, "\"%s\" is not a status of a subscription", status);
	if (row->odd != NULL)
		return arena_printf(arena, "its time %s is out of range", row->odd);
	if (is_too_far(import, row->trial_ends_at) ||
	    is_too_far(import, row->current_period_ends_at))
		return "its trial or period ends in more than ten years";
	if (strcmp(status, "trialing") == 0 && !row->trial_ends_at.known)
		return "it is a trial without trial_ends_at";
	if (row->stripe_subscription_id != NULL &&
	    strlen(row->stripe_subscription_id) > STRIPE_ID_MAX)
		return "its stripe_subscription_id is no id of Stripe's";
	return NULL;
}

/* A time of the past, else `other`. */
static struct instant
past_time(struct import *import, struct instant time, int64_t other_ms)
{
	return time.known && time.ms <= import->operation.now_ms ? time : INSTANT_MS(other_ms);
}

/* A trial of ours that is over counts as canceled when it ended. */
static void
end_trial(struct import *import, struct subscription *subscription)
{
	if (strcmp(subscription->status, "trialing") != 0 ||
	    subscription->stripe_subscription_id != NULL ||
	    subscription->trial_ends_at.ms > import->operation.now_ms)
		return;
	subscription->status = "canceled";
	subscription->updated_at = subscription->trial_ends_at;
}

static void
judge(struct import *import, struct import_count *count, struct batch *batch, size_t index)
{
	const struct source_subscription *row = &batch->rows[index];
	const char *fault = fault_of(import, row);
	struct subscription *out = &batch->items[batch->count].subscription;

	if (fault != NULL) {
		import_remark(import, count, "skipped", given_id(row), 1, fault);
		return;
	}
	*out = (struct subscription){
	        .customer_id = customer_id_of_text(import->step.arena, row->customer_id),
	        .stripe_subscription_id = stripe_of(row),
	        .plan = plan_of(import, row),
	        .status = row->status,
	        .trial_ends_at = row->trial_ends_at,
	        .current_period_ends_at = row->current_period_ends_at,
	        .created_at = past_time(import, row->created_at, import->operation.now_ms),
	};
	out->updated_at = past_time(import, row->updated_at, out->created_at.ms);
	end_trial(import, out);
	if (import_is_deal(import, out)) {
		batch->deals[batch->deal_count] = *out;
		batch->deal_rows[batch->deal_count++] = index;
		return;
	}
	batch->items[batch->count].email = row->email;
	batch->row_of[batch->count++] = index;
}

static const char *
obstacle(const struct adopted_subscription *result)
{
	if (result->no_customer)
		return "its customer was not taken over";
	if (result->stripe_taken)
		return "another customer has its stripe_subscription_id";
	return "it was being changed at this moment; run the import again";
}

static void
take_result(struct import *import, struct import_count *count, const char *given,
            const struct subscription *subscription, const struct adopted_subscription *result)
{
	if (result->here && !result->no_customer) {
		count->here++;
		return;
	}
	if (!result->made) {
		import_remark(import, count, "skipped", given, 1, obstacle(result));
		return;
	}
	count->made++;
	if (subscription->stripe_subscription_id == NULL &&
	    strcmp(subscription->status, "active") == 0)
		import_remark(import, count, "changed", given, 1,
		              "it is active without Stripe: it gives access until an operator "
		              "cancels it");
}

/* Completes the result by what a dry run has made before, and remembers it. */
static void
take_memory(struct import *import, const struct subscription *subscription,
            struct adopted_subscription *result)
{
	const char *id = subscription->customer_id;
	const char *stripe = subscription->stripe_subscription_id;

	if (!import->dry_run)
		return;
	if (import_recall(import, MEMORY_CUSTOMER, id) != NULL)
		result->no_customer = false;
	if (import_recall(import, MEMORY_SUBSCRIBER, id) != NULL)
		result->here = true;
	if (import_recall(import, MEMORY_SUBSCRIPTION, stripe) != NULL)
		result->stripe_taken = true;
	result->made = !result->no_customer && !result->here && !result->stripe_taken;
	if (!result->made)
		return;
	import_remember(import, MEMORY_SUBSCRIBER, id, "");
	import_remember(import, MEMORY_SUBSCRIPTION, stripe, "");
}

static enum fail
store_items(struct import *import, struct import_count *count, struct batch *batch)
{
	const struct adopted_subscription *results = NULL;

	if (batch->count == 0)
		return FAIL_NONE;
	TRY(account_adopt_subscriptions(&import->operation, batch->items, batch->count,
	                                &results));
	for (size_t i = 0; i < batch->count; i++) {
		struct adopted_subscription result = results[i];

		take_memory(import, &batch->items[i].subscription, &result);
		take_result(import, count, batch->rows[batch->row_of[i]].customer_id,
		            &batch->items[i].subscription, &result);
	}
	return FAIL_NONE;
}

static enum fail
store(struct import *import, struct import_count *count, struct batch *batch)
{
	struct operation *operation = &import->operation;

	TRY(db_begin(operation->db, operation->task));
	TRY(store_items(import, count, batch));
	for (size_t i = 0; i < batch->deal_count; i++)
		TRY(import_deal(import, count, batch->rows[batch->deal_rows[i]].customer_id,
		                &batch->deals[i]));
	return import_commit(import);
}

static enum fail
step(struct import *import, struct import_count *count, size_t *rows)
{
	struct arena *arena = import->step.arena;
	struct batch batch = {0};

	TRY(source_next(import, SOURCE_SUBSCRIPTIONS, (void *)&batch.rows, rows));
	batch.items = arena_array(arena, *rows + 1, sizeof(*batch.items));
	batch.row_of = arena_array(arena, *rows + 1, sizeof(*batch.row_of));
	batch.deals = arena_array(arena, *rows + 1, sizeof(*batch.deals));
	batch.deal_rows = arena_array(arena, *rows + 1, sizeof(*batch.deal_rows));
	for (size_t i = 0; i < *rows; i++)
		judge(import, count, &batch, i);
	count->read += (int64_t)*rows;
	return *rows == 0 ? FAIL_NONE : store(import, count, &batch);
}

enum fail
import_subscriptions(struct import *import, int64_t total)
{
	struct import_count count = {.name = "subscriptions"};
	size_t rows = 1;

	TRY(source_rows(import, SOURCE_SUBSCRIPTIONS));
	while (rows > 0) {
		TRY(import_step_end(import, step(import, &count, &rows)));
		if (rows > 0)
			import_progress(import, &count, total);
	}
	import_put_count(import, &count);
	return FAIL_NONE;
}
