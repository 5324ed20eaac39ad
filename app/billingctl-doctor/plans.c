/* plans.c: plans diff, which shows what another plans.json changes for the customers. */
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "billing/plan_terms.h"
#include "billingctl-doctor/doctor.h"
#include "billingctl/output.h"
#include "plans/plans_diff.h"

enum { SOMEBODY_LOSES = 3 };

const struct ctl_exit plans_diff_exits[] = {
        {SOMEBODY_LOSES, "customers lose something"},
        {0},
};

/* A comparison of what is in force with a file. */
struct diff {
	struct ctl *ctl;
	struct plans plans; /* of the file */
	struct sold_terms *in_force;
	size_t in_force_count;
	const struct plan_customers *customers;
	size_t customers_count;
	bool by_customer;
	int64_t left; /* customers that may still be listed */
	struct output output;
};

static int64_t
customers_of(const struct diff *diff, const char *plan)
{
	for (size_t i = 0; i < diff->customers_count; i++)
		if (strcmp(diff->customers[i].plan, plan) == 0)
			return diff->customers[i].customers;
	return 0;
}

static const struct plan_terms *
in_force(const struct diff *diff, const char *plan)
{
	for (size_t i = 0; i < diff->in_force_count; i++)
		if (strcmp(diff->in_force[i].plan, plan) == 0)
			return &diff->in_force[i].terms;
	return NULL;
}

/* The changes that gain or lose something, as a text; NULL without one. */
static const char *
part(struct arena *arena, const struct term_changes *changes, bool losses)
{
	struct term_changes some = {
	        .items = arena_array(arena, changes->count + 1, sizeof(*some.items))};

	for (size_t i = 0; i < changes->count; i++)
		if (losses ? changes->items[i].loses : changes->items[i].gains)
			some.items[some.count++] = changes->items[i];
	return some.count == 0 ? NULL : plans_changes_text(arena, &some, false);
}

static void
write_row(struct diff *diff, const char *plan, const char *change,
          const struct term_changes *changes)
{
	struct arena *arena = diff->ctl->task.arena;
	struct output *output = &diff->output;

	output_text(output, "plan", *plan == '\0' ? "(trial)" : plan);
	if (!diff->by_customer)
		output_int(output, "customers", customers_of(diff, plan));
	output_text(output, "change", change);
	output_text(output, "loses", part(arena, changes, true));
	output_text(output, "gains", part(arena, changes, false));
}

/* Writes the plan's row, or a row for each of its customers. */
static enum fail
write_plan(struct diff *diff, const char *plan, const char *change,
           const struct term_changes *changes)
{
	const char *const *ids;
	size_t count;

	if (changes->loses && customers_of(diff, plan) > 0)
		diff->ctl->status = SOMEBODY_LOSES;
	if (!diff->by_customer) {
		output_row(&diff->output);
		write_row(diff, plan, change, changes);
		return FAIL_NONE;
	}
	if (diff->left <= 0)
		return FAIL_NONE;
	TRY(plan_customer_ids(&diff->ctl->operation, plan, diff->left, &ids, &count));
	for (size_t i = 0; i < count; i++) {
		output_row(&diff->output);
		output_text(&diff->output, "customer_id", ids[i]);
		write_row(diff, plan, change, changes);
	}
	diff->left -= (int64_t)count;
	return FAIL_NONE;
}

/* A plan or add-on keeps its terms for its customers. */
static enum fail
compare_removed(struct diff *diff, const char *plan)
{
	const struct term_changes changes = {0};

	return customers_of(diff, plan) == 0
	               ? FAIL_NONE
	               : write_plan(diff, plan, "removed, its customers keep it", &changes);
}

static enum fail
compare_plan(struct diff *diff, const char *plan)
{
	struct arena *arena = diff->ctl->task.arena;
	const struct plan_terms *before = in_force(diff, plan);
	struct term_changes changes = {0};
	struct plan_terms after;

	if (!plans_present_terms(arena, &diff->plans, plan, &after))
		return compare_removed(diff, plan);
	if (before == NULL)
		return write_plan(diff, plan, "new", &changes);
	changes = plans_changes(arena, &diff->plans, before, &after);
	return changes.count == 0 ? FAIL_NONE : write_plan(diff, plan, "changed", &changes);
}

/* Whether the file has no such plan or add-on. */
static bool
is_lacking(const struct plans *plans, const char *plan)
{
	if (*plan == PLANS_ADDON)
		return plans_find_addon(plans, plan + 1) == NULL;
	return strcmp(plan, PLANS_TRIAL) != 0 && plans_find(plans, plan) == NULL;
}

static enum fail
compare(struct diff *diff)
{
	for (size_t i = 0; i < diff->plans.count; i++)
		TRY(compare_plan(diff, diff->plans.items[i].id));
	TRY(compare_plan(diff, PLANS_TRIAL));
	for (size_t i = 0; i < diff->plans.addon_count; i++)
		TRY(compare_plan(diff, arena_printf(diff->ctl->task.arena, "%c%s", PLANS_ADDON,
		                                    diff->plans.addons[i].id)));
	for (size_t i = 0; i < diff->in_force_count; i++)
		if (is_lacking(&diff->plans, diff->in_force[i].plan))
			TRY(compare_plan(diff, diff->in_force[i].plan));
	return FAIL_NONE;
}

enum fail
run_plans_diff(struct ctl *ctl)
{
	const char *path = ctl->argument != NULL ? ctl->argument : ctl->settings.plans_file;
	struct diff diff = {
	        .ctl = ctl, .by_customer = ctl_option(ctl, "--customers") != NULL, .left = 50};

	TRY(ctl_limit(ctl, &diff.left));
	TRY(plans_load(&ctl->task, path, &diff.plans));
	TRY(plan_terms_in_force(&ctl->operation, &diff.plans, &diff.in_force,
	                        &diff.in_force_count));
	if (diff.in_force_count == 0)
		return task_fail(&ctl->task, FAIL_NOT_FOUND, "plans_not_in_force",
		                 "billingd has stored no plans yet: start or reload it once.");
	TRY(plan_customers(&ctl->operation, &diff.customers, &diff.customers_count));
	diff.output = output_new(ctl);
	output_text(&diff.output, "file", path);
	output_text(&diff.output, "reductions", ctl->settings.plan_reductions);
	output_list(&diff.output, diff.by_customer ? "customers" : "plans");
	output_none(&diff.output, diff.by_customer ? "No customer gains or loses anything."
	                                           : "The file changes no plan.");
	TRY(compare(&diff));
	return output_print(&diff.output);
}

/* Counts plans of which the file says something else than what is in force. */
static size_t
differing(const struct diff *diff)
{
	struct arena *arena = diff->ctl->task.arena;
	size_t count = 0;

	for (size_t i = 0; i < diff->in_force_count; i++) {
		struct plan_terms after;

		count += plans_present_terms(arena, &diff->plans, diff->in_force[i].plan,
		                             &after) &&
		         plans_changes(arena, &diff->plans, &diff->in_force[i].terms, &after)
		                         .count > 0;
	}
	return count;
}

/* The plans and add-ons that customers have and the file lacks, as a text; "" without one. */
static const char *
lacking(const struct diff *diff)
{
	struct text text = text_new(diff->ctl->task.arena, 128);

	for (size_t i = 0; i < diff->customers_count; i++) {
		const struct plan_customers *row = &diff->customers[i];

		if (!is_lacking(&diff->plans, row->plan))
			continue;
		text_printf(&text, "%s%s (customers: %lld; %s)", text.length == 0 ? "" : ", ",
		            row->plan, (long long)row->customers,
		            in_force(diff, row->plan) != NULL ? "they keep its last terms"
		            : *row->plan == PLANS_ADDON       ? "they get nothing for it"
		                                              : "they get what a trial gives");
	}
	return text.data;
}

enum fail
check_plans_in_force(struct doctor *doctor)
{
	struct ctl *ctl = doctor->ctl;
	struct diff diff = {.ctl = ctl, .plans = ctl->billing.plans};
	const char *lacks;
	size_t changed;

	TRY(plan_terms_in_force(&ctl->operation, &diff.plans, &diff.in_force,
	                        &diff.in_force_count));
	TRY(plan_customers(&ctl->operation, &diff.customers, &diff.customers_count));
	lacks = lacking(&diff);
	if (*lacks != '\0')
		return doctor_warn(doctor, "%s lacks what customers have: %s.",
		                   ctl->settings.plans_file, lacks);
	changed = differing(&diff);
	return changed == 0
	               ? doctor_ok(doctor, "%zu plans, as in the file", diff.plans.count)
	               : doctor_warn(doctor, "%s changes %zu plans, and is not loaded yet.",
	                             ctl->settings.plans_file, changed);
}
