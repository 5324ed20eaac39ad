/* stripe.c: billingctl import stripe: adopts the customers and live subscriptions of an account at
 * Stripe that was there before this service. */
#include <search.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "billingctl-import/adopt.h"
#include "billingctl-stripe/request.h"
#include "outbox/account.h"
#include "outbox/fetch.h"
#include "stripe/client.h"
#include "stripe/form.h"
#include "stripe/objects.h"

enum { PAGE = 50, ID_SIZE = 256 };

/* A page is fetched, or one subscription is adopted, within this time. */
#define STEP_BUDGET_US ((int64_t)60 * 1000 * 1000)

/* The list so far: `after` is the last id, "" before the first page. */
struct list {
	char after[ID_SIZE];
	bool more;
};

/* A key of another account would bring that account's customers here. */
static enum fail
check_account(struct ctl *ctl)
{
	struct operation *operation = &ctl->operation;
	enum fail kind;

	TRY(request_check_key(ctl));
	operation->deadline_us = clock_monotonic_us() + STEP_BUDGET_US;
	kind = ctl_option(ctl, "--dry-run") != NULL ? stripe_account_check(operation)
	                                            : stripe_account_record(operation);
	if (!text_equal(ctl->task.failure.code, STRIPE_OTHER_ACCOUNT))
		return kind;
	task_clear(&ctl->task);
	return task_fail(&ctl->task, FAIL_CONFLICT, STRIPE_OTHER_ACCOUNT,
	                 "The key is of another account than the data (see: billingctl stripe "
	                 "account).");
}

/* Fetches the next page of subscriptions that have not ended, with their customers. */
static enum fail
fetch_page(struct adoption *adoption, struct list *list, struct json_view *data)
{
	struct operation *operation = &adoption->import.operation;
	struct stripe_form form = stripe_form_new(operation->task->arena);
	struct json_view item;
	const char *id = NULL;

	stripe_form_int(&form, "limit", PAGE);
	stripe_form_string(&form, "expand[0]", "data.customer");
	if (list->after[0] != '\0')
		stripe_form_string(&form, "starting_after", list->after);
	operation->deadline_us = clock_monotonic_us() + STEP_BUDGET_US;
	TRY(stripe_fetch_list(operation, "/v1/subscriptions", NULL, form.text.data, data,
	                      &list->more));
	for (bool next = json_view_first(data, &item); next; next = json_view_next(&item))
		id = stripe_text_of(&item, "id");
	list->more = list->more && id != NULL;
	(void)snprintf(list->after, sizeof(list->after), "%s", id == NULL ? "" : id);
	return FAIL_NONE;
}

static enum fail
step(struct adoption *adoption, struct list *list)
{
	struct operation *operation = &adoption->import.operation;
	struct json_view data, item;

	TRY(fetch_page(adoption, list, &data));
	for (bool next = json_view_first(&data, &item); next; next = json_view_next(&item)) {
		operation->deadline_us = clock_monotonic_us() + STEP_BUDGET_US;
		TRY(adopt_subscription(adoption, &item));
	}
	return FAIL_NONE;
}

static enum fail
run(struct adoption *adoption)
{
	struct import *import = &adoption->import;
	struct list list = {.more = true};

	while (list.more) {
		TRY(import_step_end(import, step(adoption, &list)));
		import_progress(import, &adoption->subscriptions, 0);
	}
	import_put_count(import, &adoption->customers);
	import_put_count(import, &adoption->subscriptions);
	return import_print(import);
}

enum fail
run_import_stripe(struct ctl *ctl)
{
	struct adoption adoption = {0};
	enum fail kind;

	TRY(check_account(ctl));
	kind = import_begin(&adoption.import, ctl);
	adoption.links_by_email = ctl_option(ctl, "--link-by-email") != NULL;
	adoption.customers.name = "customers";
	adoption.subscriptions.name = "subscriptions";
	if (kind == FAIL_NONE)
		kind = run(&adoption);
	import_end(&adoption.import);
	return kind;
}
