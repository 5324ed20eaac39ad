/* customers.c: billingctl customer create, show and list. */
#include <string.h>

#include "accounts/accounts.h"

#include "base/arena.h"
#include "billing/access.h"
#include "billing/customer_ids.h"
#include "billingctl/output.h"
#include "entitlements/overrides.h"
#include "issuing/licenses.h"
#include "payments/reversals.h"

/* As in the API. */
enum { EMAIL_MAX = 254, COMPANY_MAX = 200 };

static void
put_customer(struct output *output, const struct customer *customer)
{
	output_text(output, "customer_id", customer->customer_id);
	output_text(output, "email", customer->email);
	output_text(output, "company_name", customer->company_name);
	output_text(output, "stripe_customer_id", customer->stripe_customer_id);
	output_time(output, "created_at", customer->created_at);
	output_time(output, "updated_at", customer->updated_at);
}

/* `subscription` is NULL when there is none. */
static void
put_subscription(struct output *output, const struct subscription *subscription, int64_t now_ms)
{
	struct subscription none = {.trial_ends_at = INSTANT_NONE};
	const struct subscription *s = subscription == NULL ? &none : subscription;
	const struct access_end end = access_early_end(s, now_ms);

	output_text(output, "plan", s->plan);
	output_text(output, "status",
	            subscription == NULL ? NULL : access_status(subscription, now_ms));
	output_time(output, "trial_ends_at", s->trial_ends_at);
	output_time(output, "current_period_ends_at", subscription_period_end(s));
	output_bool(output, "cancel_at_period_end", s->cancel_at_period_end);
	output_text(output, "pause_behavior", s->pause_behavior);
	output_time(output, "access_ends_at", end.at);
	output_text(output, "access_end_reason", end.at.known ? end.reason : NULL);
	output_text(output, "kind",
	            subscription == NULL ? NULL : subscription_kind(subscription));
	output_text(output, "contract_id", s->contract_id);
	output_time(output, "starts_at", s->starts_at);
	output_time(output, "ends_at", s->ends_at);
}

static const char *
value_text(struct arena *arena, const struct license_value *value)
{
	if (value->type == VALUE_TEXT)
		return value->text;
	if (value->type == VALUE_BOOLEAN)
		return value->truth ? "true" : "false";
	return value->number == LICENSE_UNLIMITED
	               ? "unlimited"
	               : arena_printf(arena, "%lld", (long long)value->number);
}

static void
put_values(struct output *output, const char *kind, const struct entitlement_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct entitlement *item = &list->items[i];

		output_row(output);
		output_text(output, "kind", kind);
		output_text(output, "name", item->value.name);
		output_text(output, "value", value_text(output->task->arena, &item->value));
		output_text(output, "source", entitlement_source_name(item->source));
		output_time(output, "until", item->until);
	}
}

/* The stored overrides, and what the customer may use with them. */
static enum fail
put_entitlements(struct ctl *ctl, struct output *output, const char *customer_id)
{
	struct operation *operation = &ctl->operation;
	struct entitlement_basis basis = {0};
	struct entitlements entitlements;
	struct override row = {0};
	bool found;

	TRY(entitlement_basis_read(operation, customer_id, &basis));
	TRY(override_find(operation, customer_id, &row, &found));
	entitlements_compute(ctl->task.arena, operation->billing, &basis.subscription,
	                     &basis.terms, operation->now_ms, &entitlements);
	output_bool(output, "access", entitlements.access);
	output_time(output, "access_until", entitlements.until);
	output_text(output, "override_reason", row.reason);
	output_time(output, "override_expires_at", row.expires_at);
	output_text(output, "override_set_by", row.set_by);
	output_time(output, "override_set_at", row.set_at);
	output_list(output, "entitlements");
	put_values(output, "feature", &entitlements.features);
	put_values(output, "limit", &entitlements.limits);
	return FAIL_NONE;
}

enum fail
ctl_customer_id(struct ctl *ctl, const char **out)
{
	const struct customer_filter filter = {.email = ctl->argument};
	struct page page = {.limit = 1};
	const struct customer *found = NULL;
	size_t count;

	*out = customer_id_or_text(ctl->task.arena, ctl->argument);
	if (strchr(ctl->argument, '@') == NULL)
		return FAIL_NONE;
	TRY(ctl_check_text(ctl, "CUSTOMER", ctl->argument, EMAIL_MAX, NULL));
	TRY(customer_list(&ctl->operation, &filter, &page, &found, &count));
	if (count == 0)
		return task_fail(&ctl->task, FAIL_NOT_FOUND, "customer_not_found",
		                 "There is no customer with this e-mail address.");
	*out = found->customer_id;
	return FAIL_NONE;
}

enum fail
run_customer_create(struct ctl *ctl)
{
	struct output output = output_new(ctl);
	const char *company = ctl_option(ctl, "--company");
	struct sign_up made = {.subscription = NULL};

	TRY(ctl_check_text(ctl, "EMAIL", ctl->argument, EMAIL_MAX, address_check));
	if (company != NULL)
		TRY(ctl_check_text(ctl, "--company", company, COMPANY_MAX,
		                   customer_check_name));
	TRY(db_begin(ctl->operation.db, &ctl->task));
	TRY(account_sign_up(&ctl->operation, ctl->argument, company, &made));
	TRY(ctl_commit_key(ctl, made.key.secret));
	put_customer(&output, &made.customer);
	put_subscription(&output, made.subscription, ctl->operation.now_ms);
	output_text(&output, "key_id", made.key.key.key_id);
	output_text_or_file(&output, "api_key", made.key.secret, "key_file",
	                    ctl_option(ctl, "--key-out"));
	return output_print(&output);
}

enum fail
run_customer_show(struct ctl *ctl)
{
	struct output output = output_new(ctl);
	const struct subscription *subscription = NULL;
	struct customer customer;
	const char *id;

	TRY(ctl_customer_id(ctl, &id));
	TRY(customer_find(&ctl->operation, id, &customer));
	TRY(subscription_newest(&ctl->operation, id, &subscription));
	put_customer(&output, &customer);
	put_subscription(&output, subscription, ctl->operation.now_ms);
	TRY(put_entitlements(ctl, &output, id));
	return output_print(&output);
}

enum fail
run_customer_restore(struct ctl *ctl)
{
	struct output output = output_new(ctl);
	const char *why, *id;
	int64_t count;

	TRY(ctl_why(ctl, &why));
	TRY(ctl_customer_id(ctl, &id));
	TRY(reversal_lift(&ctl->operation, id, why, &count));
	output_text(&output, "customer_id", id);
	output_int(&output, "restored", count);
	return output_print(&output);
}

/* Checks the value of an option by which customers are selected, if it was given. */
static enum fail
check_filter(struct ctl *ctl, const char *option, const char *(*check)(const char *value))
{
	const char *value = ctl_option(ctl, option);

	return value == NULL ? FAIL_NONE : ctl_check_text(ctl, option, value, EMAIL_MAX, check);
}

static void
put_listed(struct output *output, const struct customer *customer, bool pending)
{
	output_row(output);
	output_text(output, "customer_id", customer->customer_id);
	output_text(output, "email", customer->email);
	output_text(output, "company_name", customer->company_name);
	output_text(output, "plan", customer->plan);
	output_text(output, "status", customer->status);
	if (pending)
		output_text(output, "pending_email", customer->pending_email);
	output_time(output, "created_at", customer->created_at);
}

enum fail
run_customer_list(struct ctl *ctl)
{
	struct output output = output_new(ctl);
	struct customer_filter filter = {.email = ctl_option(ctl, "--email"),
	                                 .query = ctl_option(ctl, "--query"),
	                                 .status = ctl_option(ctl, "--status"),
	                                 .plan = ctl_option(ctl, "--plan"),
	                                 .stripe = ctl_option(ctl, "--stripe"),
	                                 .pending_email =
	                                         ctl_option(ctl, "--pending-email") != NULL};
	int64_t limit = PAGE_ROWS_USUAL;
	const struct customer *customers = NULL;
	struct page page;
	size_t count = 0;

	TRY(ctl_limit(ctl, &limit));
	TRY(page_read(&ctl->task, limit, ctl_option(ctl, "--cursor"), &page));
	TRY(check_filter(ctl, "--email", NULL));
	TRY(check_filter(ctl, "--query", NULL));
	TRY(check_filter(ctl, "--status", customer_check_status));
	TRY(check_filter(ctl, "--plan", NULL));
	TRY(check_filter(ctl, "--stripe", NULL));
	TRY(customer_list(&ctl->operation, &filter, &page, &customers, &count));
	output_list(&output, "customers");
	for (size_t i = 0; i < count; i++)
		put_listed(&output, &customers[i], filter.pending_email);
	output_list_end(&output);
	if (page.next != NULL)
		output_text(&output, "next_cursor", page.next);
	return output_print(&output);
}
