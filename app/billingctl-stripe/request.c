/* request.c: sends billingctl's requests to Stripe and explains failures. */
#include "billingctl-stripe/request.h"

#include <string.h>

#include "base/arena.h"
#include "base/random.h"
#include "base/text.h"
#include "billingctl/output.h"
#include "json/view.h"

static const char *const methods[] = {
        [STRIPE_GET] = "GET", [STRIPE_POST] = "POST", [STRIPE_DELETE] = "DELETE"};

#define FAILED(ctl, ...) task_fail(&(ctl)->task, FAIL_STRIPE, "stripe_error", __VA_ARGS__)

/* Stripe's message, or its code when the message repeats the key. */
static const char *
message_of(struct ctl *ctl, const struct stripe_answer *answer)
{
	const char *message = answer->error_message;

	if (message == NULL || strstr(message, ctl->settings.stripe_secret_key) != NULL)
		message = answer->error_code;
	return output_printable(ctl->task.arena, message);
}

static enum fail
check_answer(struct ctl *ctl, const struct stripe_request *request,
             const struct stripe_answer *answer)
{
	const char *method = methods[request->method], *path = request->path;

	if (answer->outcome == STRIPE_DONE)
		return FAIL_NONE;
	if (answer->status == 401)
		return FAILED(ctl, "Stripe doesn't know the key (STRIPE_SECRET_KEY).");
	if (answer->status == 403)
		return task_fail(&ctl->task, FAIL_FORBIDDEN, "stripe_forbidden",
		                 "The key (STRIPE_SECRET_KEY) may not %s %s.", method, path);
	if (answer->status == 404)
		return task_fail(&ctl->task, FAIL_NOT_FOUND, "stripe_not_found",
		                 "Stripe has no %s.", path);
	if (answer->outcome == STRIPE_REFUSED)
		return FAILED(ctl, "Stripe refuses %s %s: %s", method, path,
		              message_of(ctl, answer));
	if (answer->status == 0)
		return FAILED(ctl, "Stripe doesn't answer at %s.",
		              ctl->settings.stripe_api_base);
	return FAILED(ctl, "Stripe has a problem with %s %s: status %d%s.", method, path,
	              answer->status, answer->status == 200 ? " without an object" : "");
}

static enum fail
send_now(struct ctl *ctl, enum stripe_method method, const char *path, const char *form,
         struct json_view *out)
{
	const struct stripe_request request = {
	        .method = method,
	        .path = path,
	        .form = form,
	        .idempotency_key =
	                method == STRIPE_POST ? random_id(ctl->task.arena, "gb_", 16) : NULL,
	        .deadline_us = clock_monotonic_us() + ctl->settings.stripe_deadline_ms * 1000,
	};
	struct stripe_answer answer;

	stripe_client_send(ctl->operation.stripe, &ctl->task, &request, &answer);
	*out = answer.object;
	return check_answer(ctl, &request, &answer);
}

enum fail
request_get(struct ctl *ctl, const char *path, const char *form, struct json_view *out)
{
	return send_now(ctl, STRIPE_GET, path, form, out);
}

enum fail
request_post(struct ctl *ctl, const char *path, const char *form, struct json_view *out)
{
	return send_now(ctl, STRIPE_POST, path, form, out);
}

void
request_delete(struct ctl *ctl, const char *path)
{
	struct json_view object;

	(void)send_now(ctl, STRIPE_DELETE, path, NULL, &object);
}

enum fail
request_check_key(struct ctl *ctl)
{
	struct json_view list;

	return request_get(ctl, "/v1/subscriptions", "limit=1", &list);
}

enum fail
request_list(struct ctl *ctl, const char *path, const char *form, struct json_view *out)
{
	const char *limited = arena_printf(ctl->task.arena, "%s%slimit=100",
	                                   form == NULL ? "" : form, form == NULL ? "" : "&");
	struct json_view list;

	TRY(request_get(ctl, path, limited, &list));
	if (json_view_list(&list, "data", out))
		return FAIL_NONE;
	return FAILED(ctl, "Stripe's answer to GET %s cannot be understood.", path);
}
