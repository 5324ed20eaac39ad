/* fetch.c: sends requests to Stripe within the operation's deadline. */
#include "outbox/fetch.h"

#include "base/text.h"
#include "outbox/calls.h"
#include "stripe/client.h"
#include "stripe/form.h"

enum fail
stripe_is_configured(struct operation *operation)
{
	if (operation->billing->sales.configured && operation->stripe != NULL)
		return FAIL_NONE;
	return fail_stripe_not_configured(operation->task);
}

bool
stripe_is_away(const struct operation *operation, enum fail kind)
{
	if (kind == FAIL_STRIPE)
		return !stripe_client_was_acknowledged(operation->stripe) ||
		       text_equal(operation->task->failure.code, STRIPE_OTHER_ACCOUNT);
	return kind == FAIL_UNAVAILABLE || kind == FAIL_UNCERTAIN;
}

static enum fail
send(struct operation *operation, struct stripe_request *request, struct json_view *out)
{
	struct stripe_answer answer;

	request->deadline_us = operation->deadline_us;
	stripe_client_send(operation->stripe, operation->task, request, &answer);
	*out = answer.object;
	return stripe_client_failure(operation->task, &answer);
}

enum fail
stripe_fetch(struct operation *operation, const char *format, const char *id, const char *query,
             struct json_view *out)
{
	struct stripe_request request = {
	        .method = STRIPE_GET,
	        .path = stripe_path(operation->task->arena, format, id),
	        .form = query,
	};

	return send(operation, &request, out);
}

enum fail
stripe_fetch_list(struct operation *operation, const char *format, const char *id,
                  const char *query, struct json_view *out, bool *more)
{
	struct json_view list;

	TRY(stripe_fetch(operation, format, id, query, &list));
	if (!json_view_list(&list, "data", out))
		return stripe_answer_unusable(operation->task);
	if (more != NULL && !json_view_bool(&list, "has_more", more))
		*more = false;
	return FAIL_NONE;
}

enum fail
stripe_post(struct operation *operation, const char *path, const char *form,
            struct json_view *out)
{
	struct stripe_request request = {
	        .method = STRIPE_POST,
	        .path = path,
	        .form = form,
	        .idempotency_key = stripe_call_key(operation),
	};

	return send(operation, &request, out);
}

void
stripe_call_send(struct operation *operation, const struct stripe_call *call,
                 struct stripe_answer *out)
{
	const struct stripe_request request = {
	        .method = call->deletes ? STRIPE_DELETE : STRIPE_POST,
	        .path = call->path,
	        .form = call->parameters,
	        .idempotency_key = call->deletes ? NULL : call->idempotency_key,
	        .deadline_us = operation->deadline_us,
	};

	stripe_client_send(operation->stripe, operation->task, &request, out);
}
