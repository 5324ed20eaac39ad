/* customers.c: sign-up and the customers' records. */
#include "accounts/accounts.h"
#include "api/handlers.h"
#include "api/render.h"
#include "api/share.h"
#include "json/fields.h"

enum { EMAIL_LENGTH_MAX = 254, NAME_LENGTH_MAX = 200, OFFSET_MAX = 1000000 };

struct sign_up_input {
	const char *email;
	const char *company_name;
};

const struct field sign_up_body[] = {
        FIELD(struct sign_up_input, email, .required = true, .min = 3, .max = EMAIL_LENGTH_MAX,
              .check = address_check),
        FIELD(struct sign_up_input, company_name, .min = 1, .max = NAME_LENGTH_MAX,
              .check = customer_check_name, .nullable = true),
        FIELD_END(struct sign_up_input),
};

struct patch_customer_input {
	struct patch_text email;
	struct patch_text company_name;
	struct choice notices;
};

const struct field patch_customer_body[] = {
        FIELD(struct patch_customer_input, email, .not_null = true, .min = 3,
              .max = EMAIL_LENGTH_MAX, .check = address_check),
        FIELD(struct patch_customer_input, company_name, .min = 1, .max = NAME_LENGTH_MAX,
              .check = customer_check_name),
        FIELD(struct patch_customer_input, notices, .required = false),
        FIELD_END(struct patch_customer_input),
};

struct list_input {
	int64_t limit;
	const char *cursor;
	int64_t offset;
	const char *email;
	const char *q;
	const char *status;
	const char *plan;
	const char *stripe;
	bool pending_email;
};

const struct field list_customers_query[] = {
        PAGE_FIELDS(struct list_input, PAGE_ROWS_MAX, PAGE_ROWS_USUAL),
        FIELD(struct list_input, offset, .max = OFFSET_MAX),
        FIELD(struct list_input, email, .min = 1, .max = EMAIL_LENGTH_MAX),
        FIELD(struct list_input, q, .min = 1, .max = NAME_LENGTH_MAX, .plus_is_space = true),
        FIELD(struct list_input, status, .check = customer_check_status),
        FIELD(struct list_input, plan, .min = 1, .max = 100),
        FIELD(struct list_input, stripe, .min = 1, .max = 255),
        FIELD(struct list_input, pending_email, .initial = false),
        FIELD_END(struct list_input),
};

enum fail
post_customer(struct call *call)
{
	const struct sign_up_input *input = call->body;
	struct operation *operation = &call->operation;
	struct sign_up made = {0};
	struct json_out json = answer_begin(call, 4096);

	if (call->caller.kind == CALLER_NOBODY && call->api->trusted_actor == NULL) {
		made.is_public = true;
		operation->before_signing = share_sign;
		operation->signing_context = call;
	}
	TRY(account_sign_up(operation, input->email, input->company_name, &made));
	render_customer(&json, "customer", &made.customer);
	render_subscription(&json, "subscription", made.subscription, operation->now_ms);
	json_out_string(&json, "license", made.license == NULL ? NULL : made.license->token);
	json_out_string(&json, "api_key", made.key.secret);
	if (made.license != NULL)
		metrics_add(call->api->metrics, METRIC_LICENSES_SIGNED, 1);
	return answer_end(call, 201, &json);
}

enum fail
list_customers(struct call *call)
{
	const struct list_input *input = call->query;
	const struct customer_filter filter = {
	        .email = input->email,
	        .query = input->q,
	        .status = input->status,
	        .plan = input->plan,
	        .stripe = input->stripe,
	        .pending_email = input->pending_email,
	};
	struct task *task = call->operation.task;
	const struct customer *rows;
	struct json_out json;
	struct page page;
	size_t count;

	TRY(page_read(task, input->limit, input->cursor, &page));
	if (input->cursor != NULL && input->offset != 0)
		return task_fail_field(task, "offset", "cannot be combined with cursor");
	page.offset = input->offset;
	TRY(customer_list(&call->operation, &filter, &page, &rows, &count));
	json = answer_begin(call, 256 + count * 320);
	json_out_open(&json, "customers", '[');
	for (size_t i = 0; i < count; i++)
		render_listed_customer(&json, &rows[i]);
	json_out_close(&json, ']');
	json_out_int(&json, "limit", page.limit);
	json_out_int(&json, "offset", page.offset);
	json_out_string(&json, "next_cursor", page.next);
	return answer_end(call, 200, &json);
}

enum fail
get_customer(struct call *call)
{
	const char *id = request_param(call->request, "customer_id");
	struct operation *operation = &call->operation;
	struct json_out json = answer_begin(call, 1024);
	const struct subscription *subscription;
	struct customer customer;

	TRY(customer_find(operation, id, &customer));
	TRY(subscription_newest(operation, id, &subscription));
	render_customer(&json, "customer", &customer);
	render_subscription(&json, "subscription", subscription, operation->now_ms);
	return answer_end(call, 200, &json);
}

enum fail
patch_customer(struct call *call)
{
	const struct patch_customer_input *input = call->body;
	const struct customer_change change = {
	        .email = input->email,
	        .company_name = input->company_name,
	        .notices = input->notices,
	        /* A customer's new address stays pending until an operator confirms it. */
	        .email_pends = call->caller.kind == CALLER_CUSTOMER,
	};
	struct json_out json = answer_begin(call, 512);
	struct customer customer;

	TRY(account_update(&call->operation, request_param(call->request, "customer_id"),
	                   &change, &customer));
	render_customer(&json, "customer", &customer);
	return answer_end(call, 200, &json);
}

enum fail
delete_customer(struct call *call)
{
	const char *id = request_param(call->request, "customer_id");

	TRY(account_delete(&call->operation, id));
	return answer_message(call,
	                      "The customer's personal data is gone and its keys are revoked.",
	                      "customer_id", id);
}
