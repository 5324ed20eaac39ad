/* revenue.c: billingctl analytics check: computes anew what the customers are worth, and compares it with
 * what is booked and with Stripe's list. */
#include "analytics/revenue_check.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "billingctl-stripe/request.h"
#include "billingctl/output.h"
#include "outbox/fetch.h"
#include "stripe/form.h"

enum { PAGE = 100, UNEXPLAINED = 3, PAGE_ARENA = 64 * 1024 * 1024 };

#define PAGE_BUDGET_US ((int64_t)60 * 1000 * 1000)

/* All customers are computed anew in one statement. */
enum { PATIENCE_MS = 30 * 60 * 1000 };

const struct ctl_exit analytics_check_exits[] = {
        {UNEXPLAINED, "a difference has no explanation"},
        {0},
};

struct check {
	struct ctl *ctl;
	struct output output;
	const char **ids; /* of Stripe's list so far */
	size_t count;
	size_t capacity;
	const char *after;
	int64_t explained;
	int64_t unexplained;
};

static void
put_row(struct check *check, const char *what, const char *customer_id, const char *currency,
        const char *ours, const char *theirs, const char *reason)
{
	struct output *output = &check->output;

	output_row(output);
	output_text(output, "what", what);
	output_text(output, "customer_id", customer_id);
	output_text(output, "currency", currency);
	output_text(output, "booked", ours);
	output_text(output, "expected", theirs);
	output_text(output, "reason", reason);
	if (reason == NULL)
		check->unexplained++;
	else
		check->explained++;
}

static enum fail
check_booked(struct check *check)
{
	const struct revenue_fault *faults;
	size_t count;

	TRY(revenue_check(&check->ctl->operation, &faults, &count));
	for (size_t i = 0; i < count; i++)
		put_row(check, faults[i].what, faults[i].customer_id, faults[i].currency,
		        faults[i].booked, faults[i].expected, NULL);
	return FAIL_NONE;
}

static void
remember(struct check *check, const char *id)
{
	struct arena *arena = check->ctl->task.arena;

	if (check->count == check->capacity) {
		size_t capacity = 2 * check->capacity + PAGE;
		const char **grown = arena_array(arena, capacity, sizeof(*grown));

		if (check->count > 0)
			memcpy(grown, check->ids, check->count * sizeof(*grown));
		check->ids = grown;
		check->capacity = capacity;
	}
	check->ids[check->count++] = arena_copy(arena, id);
}

/* Rows live in the page's memory, and what is printed in the command's. */
static void
put_listed(struct check *check, const struct revenue_listed *row)
{
	struct arena *arena = check->ctl->task.arena;

	if (row->equal)
		return;
	put_row(check, arena_copy(arena, row->id),
	        row->customer_id == NULL ? NULL : arena_copy(arena, row->customer_id),
	        row->currency == NULL ? NULL : arena_copy(arena, row->currency),
	        arena_copy(arena, row->ours), arena_copy(arena, row->theirs),
	        row->reason == NULL ? NULL : arena_copy(arena, row->reason));
}

static enum fail
compare_page(struct check *check, struct operation *operation, bool *more)
{
	struct arena *arena = operation->task->arena;
	struct stripe_form form = stripe_form_new(arena);
	const struct revenue_listed *rows;
	struct stripe_subscription *listed;
	struct json_view data, item;
	size_t count = 0, row_count;

	stripe_form_int(&form, "limit", PAGE);
	stripe_form_string(&form, "expand[0]", "data.customer");
	if (check->after != NULL)
		stripe_form_string(&form, "starting_after", check->after);
	TRY(stripe_fetch_list(operation, "/v1/subscriptions", NULL, form.text.data, &data,
	                      more));
	listed = arena_array(arena, json_view_count(&data) + 1, sizeof(*listed));
	for (bool next = json_view_first(&data, &item); next; next = json_view_next(&item))
		if (stripe_subscription_read(&item, &listed[count]))
			remember(check, listed[count++].id);
	*more = *more && count > 0;
	if (count > 0)
		check->after = check->ids[check->count - 1];
	TRY(revenue_compare_listed(operation, listed, count, &rows, &row_count));
	for (size_t i = 0; i < row_count; i++)
		put_listed(check, &rows[i]);
	return FAIL_NONE;
}

/* Compares page by page, each in memory of its own. */
static enum fail
compare_pages(struct check *check)
{
	struct ctl *ctl = check->ctl;
	struct task task = {.arena = arena_new(PAGE_ARENA), .request_id = ctl->task.request_id};
	struct operation operation = ctl->operation;
	enum fail kind = FAIL_NONE;

	operation.task = &task;
	for (bool more = true; more && kind == FAIL_NONE;) {
		operation.deadline_us = clock_monotonic_us() + PAGE_BUDGET_US;
		kind = compare_page(check, &operation, &more);
		if (kind != FAIL_NONE)
			(void)task_fail(&ctl->task, kind,
			                arena_copy(ctl->task.arena, task.failure.code), "%s",
			                task.failure.message);
		arena_reset(task.arena);
	}
	arena_free(task.arena);
	return kind;
}

static enum fail
compare_with_stripe(struct check *check)
{
	const struct revenue_listed *rows;
	size_t count;

	TRY(ctl_open_stripe(check->ctl));
	TRY(request_check_key(check->ctl));
	TRY(compare_pages(check));
	TRY(revenue_unlisted(&check->ctl->operation,
	                     &(struct string_list){true, check->count, check->ids}, &rows,
	                     &count));
	for (size_t i = 0; i < count; i++)
		put_listed(check, &rows[i]);
	return FAIL_NONE;
}

static const char *
summary_of(const struct check *check, bool with_stripe)
{
	struct arena *arena = check->ctl->task.arena;

	if (check->unexplained + check->explained == 0)
		return with_stripe ? "Nothing differs, here and from Stripe's list."
		                   : "Nothing differs. Stripe's list was not compared.";
	return arena_printf(arena, "%lld without an explanation, %lld explained.",
	                    (long long)check->unexplained, (long long)check->explained);
}

enum fail
run_analytics_check(struct ctl *ctl)
{
	struct check check = {.ctl = ctl, .output = output_new(ctl)};
	bool with_stripe = ctl_option(ctl, "--offline") == NULL &&
	                   ctl->settings.stripe_secret_key != NULL &&
	                   *ctl->settings.stripe_secret_key != '\0';

	db_set_statement_timeout(ctl->operation.db, PATIENCE_MS);
	output_list(&check.output, "differences");
	output_none(&check.output, NULL);
	TRY(check_booked(&check));
	if (with_stripe)
		TRY(compare_with_stripe(&check));
	output_list_end(&check.output);
	if (ctl->json) {
		output_bool(&check.output, "compared_with_stripe", with_stripe);
		output_int(&check.output, "subscriptions", (int64_t)check.count);
		output_int(&check.output, "explained", check.explained);
		output_int(&check.output, "unexplained", check.unexplained);
	}
	output_tail(&check.output, summary_of(&check, with_stripe));
	TRY(output_print(&check.output));
	ctl->status = check.unexplained == 0 ? CTL_DONE : UNEXPLAINED;
	return FAIL_NONE;
}
