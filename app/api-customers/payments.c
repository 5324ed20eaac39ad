/* payments.c: checkout, plan changes, cancellation and invoices, through Stripe. */
#include <string.h>

#include "api/handlers.h"
#include "api/render.h"
#include "base/money.h"
#include "sales/changes.h"
#include "sales/checkout.h"
#include "json/fields.h"

enum { ID_MAX = 100, URL_MAX = 2000, COUNT_MAX = 36 };

struct checkout_input {
	const char *customer_id;
	const char *plan;
	const char *price_id;
	const char *interval;
	int64_t interval_count;
	const char *currency;
	int64_t quantity;
	struct any_object addons;
	const char *success_url;
	const char *cancel_url;
};

static const char *
check_interval(const char *interval)
{
	return plan_is_interval(interval) ? NULL : "must be month or year";
}

static const char *
check_currency(const char *currency)
{
	return money_is_currency(currency) ? NULL : "must be three small letters, like eur";
}

const struct field checkout_body[] = {
        FIELD(struct checkout_input, customer_id, .required = true, .min = 1, .max = ID_MAX),
        FIELD(struct checkout_input, plan, .required = true, .min = 1, .max = ID_MAX),
        FIELD(struct checkout_input, price_id, .min = 1, .max = 255),
        FIELD(struct checkout_input, interval, .nullable = true, .check = check_interval),
        FIELD(struct checkout_input, interval_count, .min = 1, .max = COUNT_MAX),
        FIELD(struct checkout_input, currency, .nullable = true, .check = check_currency),
        FIELD(struct checkout_input, quantity, .min = 1, .max = QUANTITY_MAX),
        FIELD(struct checkout_input, addons, .required = false),
        FIELD(struct checkout_input, success_url, .min = 1, .max = URL_MAX),
        FIELD(struct checkout_input, cancel_url, .min = 1, .max = URL_MAX),
        FIELD_END(struct checkout_input),
};

struct change_plan_input {
	const char *customer_id;
	const char *plan;
	const char *new_plan; /* the older name of `plan` */
	const char *interval;
	int64_t interval_count;
	int64_t quantity;
	struct any_object addons;
	struct instant proration_at;
};

const struct field change_plan_body[] = {
        FIELD(struct change_plan_input, customer_id, .required = true, .min = 1, .max = ID_MAX),
        FIELD(struct change_plan_input, plan, .required = true, .older = "new_plan", .min = 1,
              .max = ID_MAX),
        FIELD(struct change_plan_input, new_plan, .min = 1, .max = ID_MAX),
        FIELD(struct change_plan_input, interval, .nullable = true, .check = check_interval),
        FIELD(struct change_plan_input, interval_count, .min = 1, .max = COUNT_MAX),
        FIELD(struct change_plan_input, quantity, .min = 1, .max = QUANTITY_MAX),
        FIELD(struct change_plan_input, addons, .required = false),
        FIELD(struct change_plan_input, proration_at, .nullable = true),
        FIELD_END(struct change_plan_input),
};

struct cancel_input {
	const char *customer_id;
	struct choice at_period_end;
};

const struct field cancel_body[] = {
        FIELD(struct cancel_input, customer_id, .required = true, .min = 1, .max = ID_MAX),
        FIELD(struct cancel_input, at_period_end, .required = false),
        FIELD_END(struct cancel_input),
};

struct portal_input {
	const char *customer_id;
	const char *return_url;
};

const struct field portal_body[] = {
        FIELD(struct portal_input, customer_id, .required = true, .min = 1, .max = ID_MAX),
        FIELD(struct portal_input, return_url, .min = 1, .max = URL_MAX),
        FIELD_END(struct portal_input),
};

/* Reads the quantity and the add-ons. An interval's count needs the interval. */
static enum fail
read_purchase(const struct call *call, const char *interval, int64_t interval_count,
              int64_t quantity, const struct any_object *addons, struct purchase_change *out)
{
	struct task *task = call->operation.task;

	*out = (struct purchase_change){.quantity = quantity};
	if (interval_count != 0 && interval == NULL)
		(void)task_fail_field(task, "interval_count", "needs an interval");
	return purchase_change_read(task, &call->api->billing.plans, &addons->object, out) !=
	                       FAIL_NONE
	               ? FAIL_INVALID
	               : task->failure.kind;
}

enum fail
post_checkout(struct call *call)
{
	const struct checkout_input *input = call->body;
	struct json_out json = answer_begin(call, 1024);
	struct checkout_request request = {
	        .customer_id = input->customer_id,
	        .plan = input->plan,
	        .price_id = input->price_id,
	        .interval = input->interval,
	        .interval_count = input->interval_count,
	        .currency = input->currency,
	        .success_url = input->success_url,
	        .cancel_url = input->cancel_url,
	};
	struct checkout_session session;

	if (input->price_id != NULL && input->interval != NULL)
		return task_fail_field(call->operation.task, "interval",
		                       "cannot be combined with price_id");
	if (input->price_id != NULL && input->currency != NULL)
		return task_fail_field(call->operation.task, "currency",
		                       "cannot be combined with price_id");
	TRY(read_purchase(call, input->interval, input->interval_count, input->quantity,
	                  &input->addons, &request.purchase));
	TRY(checkout_open(&call->operation, &request, &session));
	json_out_string(&json, "session_id", session.session_id);
	json_out_string(&json, "checkout_url", session.url);
	return answer_end(call, 200, &json);
}

/* With LICENSE_EXPIRY=paid_through no licence can be issued until Stripe says when the paid
 * period ends. The plan was changed all the same, so the answer has no licence then. */
static enum fail
read_license(struct operation *operation, const char *customer_id, struct issued_license *out)
{
	struct subscription subscription;
	enum fail kind = license_current(operation, customer_id, out, &subscription);

	if (kind != FAIL_CONFLICT)
		return kind;
	task_clear(operation->task);
	*out = (struct issued_license){0};
	return FAIL_NONE;
}

/* Tells what is over a limit once the change, which may be scheduled, has been made. */
static enum fail
render_left_over(struct call *call, struct json_out *json,
                 const struct subscription *subscription)
{
	const struct plans *plans = &call->api->billing.plans;
	struct arena *arena = call->operation.task->arena;
	bool scheduled = subscription->scheduled_plan != NULL;
	struct purchase_change change = {.quantity = subscription->scheduled_quantity};
	struct purchase purchase;

	purchase_read(arena, plans, subscription->quantity, subscription->addons, &purchase);
	if (scheduled) {
		purchase_change_parse(arena, plans, subscription->scheduled_addons, &change);
		purchase = purchase_changed(&purchase, &change);
	}
	return render_over_limit(call, json, subscription->customer_id,
	                         scheduled ? subscription->scheduled_plan : subscription->plan,
	                         &purchase);
}

/* The state after a change that Stripe has made. */
static enum fail
answer_subscription(struct call *call, const char *customer_id, const char *message,
                    bool of_change)
{
	struct operation *operation = &call->operation;
	struct json_out json = answer_begin(call, 4096);
	struct subscription subscription;
	struct issued_license license = {0};

	/* The request may have waited for Stripe. */
	operation->now_ms = db_now_ms(operation->db);
	if (of_change)
		TRY(read_license(operation, customer_id, &license));
	TRY(subscription_find(operation, customer_id, &subscription));
	if (message != NULL)
		json_out_string(&json, "message", message);
	render_subscription(&json, "subscription", &subscription, operation->now_ms);
	if (of_change) {
		json_out_string(&json, "license", license.token);
		TRY(render_left_over(call, &json, &subscription));
	}
	return answer_end(call, 200, &json);
}

/* Says what the cancellation has done: the subscription has ended, or will end. */
static enum fail
answer_cancellation(struct call *call, const char *customer_id)
{
	struct operation *operation = &call->operation;
	struct json_out json = answer_begin(call, 1024);
	struct subscription subscription;
	bool ended;

	/* The request may have waited for Stripe. */
	operation->now_ms = db_now_ms(operation->db);
	TRY(subscription_find(operation, customer_id, &subscription));
	ended = stripe_status_is_final(subscription.status);
	json_out_string(&json, "message",
	                ended ? "The subscription has ended."
	                      : "The subscription ends with its period.");
	json_out_string(&json, "effective", ended ? "now" : "period_end");
	render_subscription(&json, "subscription", &subscription, operation->now_ms);
	return answer_end(call, 200, &json);
}

static enum fail
read_change(const struct call *call, struct plan_change *out)
{
	const struct change_plan_input *input = call->body;
	struct task *task = call->operation.task;

	if (input->plan != NULL && input->new_plan != NULL &&
	    strcmp(input->plan, input->new_plan) != 0)
		return task_fail_field(task, "new_plan",
		                       "is the older name of plan; it differs");
	*out = (struct plan_change){
	        .customer_id = input->customer_id,
	        .field = input->plan != NULL ? "plan" : "new_plan",
	        .new_plan = input->plan != NULL ? input->plan : input->new_plan,
	        .interval = input->interval,
	        .interval_count = input->interval_count,
	        .proration_at = input->proration_at,
	};
	return read_purchase(call, input->interval, input->interval_count, input->quantity,
	                     &input->addons, &out->purchase);
}

enum fail
post_upgrade(struct call *call)
{
	struct plan_change change = {0};

	TRY(read_change(call, &change));
	TRY(change_plan(&call->operation, &change));
	return answer_subscription(call, change.customer_id, NULL, true);
}

static void
render_lines(struct json_out *json, const struct preview_line *line)
{
	json_out_open(json, "lines", '[');
	for (; line != NULL; line = line->next) {
		json_out_open(json, NULL, '{');
		json_out_string(json, "description", line->description);
		json_out_int(json, "amount", line->amount);
		json_out_bool(json, "proration", line->proration);
		json_out_close(json, '}');
	}
	json_out_close(json, ']');
}

enum fail
post_preview(struct call *call)
{
	struct json_out json = answer_begin(call, 2048);
	struct change_preview preview;
	struct plan_change change = {0};

	TRY(read_change(call, &change));
	TRY(change_preview(&call->operation, &change, &preview));
	json_out_string(&json, "customer_id", change.customer_id);
	json_out_string(&json, "plan", preview.plan);
	json_out_string(&json, "new_plan", change.new_plan);
	json_out_string(&json, "interval", preview.interval);
	json_out_string(&json, "effective", preview.at_period_end ? "period_end" : "now");
	json_out_time(&json, "period_ends_at", preview.period_ends_at);
	json_out_time(&json, "proration_at", preview.proration_at);
	json_out_int(&json, "amount_due", preview.amount_due);
	json_out_string(&json, "currency", preview.currency);
	render_lines(&json, preview.lines);
	json_out_int(&json, "quantity", preview.purchase.quantity);
	json_out_raw(&json, "addons",
	             purchase_addons_text(call->operation.task->arena,
	                                  &call->api->billing.plans, &preview.purchase));
	TRY(render_over_limit(call, &json, change.customer_id, change.new_plan,
	                      &preview.purchase));
	return answer_end(call, 200, &json);
}

static enum cancel_when
when_of(const struct cancel_input *input)
{
	if (!input->at_period_end.present)
		return CANCEL_BY_POLICY;
	return input->at_period_end.value ? CANCEL_AT_PERIOD_END : CANCEL_NOW;
}

enum fail
post_cancel(struct call *call)
{
	const struct cancel_input *input = call->body;

	TRY(change_cancel(&call->operation, input->customer_id, when_of(input)));
	return answer_cancellation(call, input->customer_id);
}

enum fail
post_resume(struct call *call)
{
	const struct customer_input *input = call->body;

	TRY(change_resume(&call->operation, input->customer_id));
	return answer_subscription(call, input->customer_id, "The subscription goes on.",
	                           false);
}

enum fail
post_portal(struct call *call)
{
	const struct portal_input *input = call->body;
	struct json_out json = answer_begin(call, 512);
	const char *url;

	TRY(checkout_portal(&call->operation, input->customer_id, input->return_url, &url));
	json_out_string(&json, "portal_url", url);
	return answer_end(call, 200, &json);
}

enum fail
list_invoices(struct call *call)
{
	const struct page_query *input = call->query;
	struct json_out json = answer_begin(call, 4096);
	const struct invoice *rows;
	struct page page;
	size_t count;

	TRY(page_read(call->operation.task, input->limit, input->cursor, &page));
	TRY(invoice_list(&call->operation, request_param(call->request, "customer_id"), &page,
	                 &rows, &count));
	json_out_open(&json, "invoices", '[');
	for (size_t i = 0; i < count; i++)
		render_invoice(&json, &rows[i], true);
	json_out_close(&json, ']');
	json_out_string(&json, "next_cursor", page.next);
	return answer_end(call, 200, &json);
}
