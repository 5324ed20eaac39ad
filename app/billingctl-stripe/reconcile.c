/* reconcile.c: billingctl stripe reconcile: runs every comparison with Stripe and prints the
 * differences. */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "billingctl-stripe/request.h"
#include "billingctl/output.h"
#include "meters/meters.h"
#include "outbox/account.h"
#include "outbox/fetch.h"
#include "sync/sweep.h"

/* Stripe keeps events for 30 days and tries to deliver them for 3. */
enum { DAYS_MAX = 30, DAYS = 3 };
enum { DIFFERENT = 3, PAGE_ARENA = 64 * 1024 * 1024 };

#define PAGE_BUDGET_US ((int64_t)60 * 1000 * 1000)
/* Stripe may list an event a little late. */
#define OVERLAP_MS HOUR_MS

const struct ctl_exit stripe_reconcile_exits[] = {
        {DIFFERENT, "something differs from Stripe"},
        {0},
};

/* Prints a line at once, or adds a row to the JSON. */
static void
print_difference(const struct stripe_difference *difference, void *closure)
{
	struct output *output = closure;
	struct arena *arena = output->task->arena;

	if (!output->json) {
		printf("%s %s %s %s -> %s\n", output_printable(arena, difference->what),
		       output_printable(arena, difference->id),
		       output_printable(arena, difference->customer_id),
		       output_printable(arena, difference->ours),
		       output_printable(arena, difference->theirs));
		return;
	}
	output_row(output);
	output_text(output, "what", difference->what);
	output_text(output, "id", difference->id);
	output_text(output, "customer_id", difference->customer_id);
	output_text(output, "ours", difference->ours);
	output_text(output, "theirs", difference->theirs);
}

/* Runs a comparison page by page, each page in memory of its own. */
static enum fail
run_sweep(struct ctl *ctl,
          enum fail (*page)(struct operation *operation, struct stripe_sweep *sweep),
          struct stripe_sweep *sweep)
{
	struct task task = {.arena = arena_new(PAGE_ARENA), .request_id = ctl->task.request_id};
	struct operation operation = ctl->operation;
	enum fail kind = FAIL_NONE;

	operation.task = &task;
	while (kind == FAIL_NONE && !sweep->finished) {
		operation.deadline_us = clock_monotonic_us() + PAGE_BUDGET_US;
		kind = page(&operation, sweep);
		if (kind != FAIL_NONE)
			(void)task_fail(&ctl->task, kind,
			                arena_copy(ctl->task.arena, task.failure.code), "%s",
			                task.failure.message);
		arena_reset(task.arena);
	}
	arena_free(task.arena);
	return kind;
}

/* The time from which events are compared. */
static enum fail
find_since(struct ctl *ctl, struct instant *out)
{
	const char *value = ctl_option(ctl, "--days");
	int64_t days = DAYS, now_ms = ctl->operation.now_ms;
	struct instant last;

	if (value != NULL && (!text_parse_int(value, &days) || days < 1 || days > DAYS_MAX))
		return ctl_usage(ctl, "--days must be a number from 1 to 30");
	*out = INSTANT_MS(now_ms - days * DAY_MS);
	if (value != NULL)
		return FAIL_NONE;
	TRY(stripe_sweep_last(&ctl->operation, "events", &last));
	if (last.known && last.ms - OVERLAP_MS < out->ms)
		out->ms = last.ms - OVERLAP_MS;
	if (out->ms < now_ms - DAYS_MAX * DAY_MS)
		out->ms = now_ms - DAYS_MAX * DAY_MS;
	return FAIL_NONE;
}

static const char *
summary_of(struct arena *arena, int64_t differences, bool dry_run)
{
	if (differences == 0)
		return "Nothing differs from Stripe.";
	return arena_printf(arena, "%lld %s from Stripe; %s", (long long)differences,
	                    differences == 1 ? "difference" : "differences",
	                    dry_run ? "nothing was changed."
	                            : "billingd will repair them (see: "
	                              "billingctl stripe events --state pending).");
}

/* A key of another account would find an end for everything. */
static enum fail
check_account(struct ctl *ctl)
{
	enum fail kind;

	TRY(request_check_key(ctl));
	ctl->operation.deadline_us = clock_monotonic_us() + PAGE_BUDGET_US;
	kind = stripe_account_check(&ctl->operation);
	if (!text_equal(ctl->task.failure.code, STRIPE_OTHER_ACCOUNT))
		return kind;
	task_clear(&ctl->task);
	return task_fail(&ctl->task, FAIL_CONFLICT, STRIPE_OTHER_ACCOUNT,
	                 "The key is of another account than the data (see: billingctl stripe "
	                 "account).");
}

enum fail
run_stripe_reconcile(struct ctl *ctl)
{
	struct output output = output_new(ctl);
	struct stripe_sweep events = {
	        .dry_run = ctl_option(ctl, "--dry-run") != NULL,
	        .memory = ctl->task.arena,
	        .reporter = {print_difference, &output},
	        .started_at = INSTANT_MS(ctl->operation.now_ms),
	};
	struct stripe_sweep subscriptions = events, meters = events;
	int64_t differences;

	TRY(find_since(ctl, &events.since));
	TRY(check_account(ctl));
	output_list(&output, "differences");
	output_none(&output, NULL);
	TRY(run_sweep(ctl, stripe_sweep_events, &events));
	TRY(run_sweep(ctl, stripe_sweep_subscriptions, &subscriptions));
	TRY(run_sweep(ctl, meter_compare, &meters));
	differences = events.differences + subscriptions.differences + meters.differences;
	output_list_end(&output);
	if (ctl->json) {
		output_bool(&output, "dry_run", events.dry_run);
		output_int(&output, "count", differences);
	}
	output_tail(&output, summary_of(ctl->task.arena, differences, events.dry_run));
	TRY(output_print(&output));
	ctl->status = differences == 0 ? CTL_DONE : DIFFERENT;
	return FAIL_NONE;
}
