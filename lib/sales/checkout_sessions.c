/* checkout_sessions.c: closes checkout sessions, so that they cannot be paid any more. */
#include "sales/checkout_sessions.h"

#include "base/text.h"
#include "outbox/calls.h"
#include "outbox/fetch.h"
#include "stripe/form.h"
#include "json/view.h"

enum fail
checkout_close(struct operation *operation, const char *id)
{
	const struct stripe_request request = {
	        .method = STRIPE_POST,
	        .path = stripe_path(operation->task->arena, "/v1/checkout/sessions/%s/expire",
	                            id),
	        .form = "",
	        .idempotency_key = stripe_call_key(operation),
	        .deadline_us = operation->deadline_us};
	struct stripe_answer answer;

	stripe_client_send(operation->stripe, operation->task, &request, &answer);
	/* Stripe refuses to close a session that was paid or closed meanwhile. */
	if (answer.outcome == STRIPE_DONE || answer.outcome == STRIPE_REFUSED)
		return FAIL_NONE;
	return stripe_client_failure(operation->task, &answer);
}

enum fail
checkout_close_others(struct operation *operation, const char *stripe_customer_id,
                      const char *ours)
{
	struct stripe_form form = stripe_form_new(operation->task->arena);
	struct json_view data, item;

	stripe_form_string(&form, "customer", stripe_customer_id);
	stripe_form_string(&form, "status", "open");
	stripe_form_int(&form, "limit", 100);
	TRY(stripe_fetch_list(operation, "/v1/checkout/sessions", NULL, form.text.data, &data,
	                      NULL));
	for (bool more = json_view_first(&data, &item); more; more = json_view_next(&item)) {
		const char *id;

		if (json_view_string(&item, "id", &id) && !text_equal(id, ours))
			TRY(checkout_close(operation, id));
	}
	return FAIL_NONE;
}
