/* operation.c: the parameter and the failures that many operations share. */
#include "operation/operation.h"

const char *
param_in(const struct operation *operation, int64_t ms)
{
	return param_time(operation->task, INSTANT_MS(operation->now_ms + ms));
}

const char *
param_now(const struct operation *operation)
{
	return param_in(operation, 0);
}

int64_t
seconds_since(const struct operation *operation, struct instant then)
{
	bool past = then.known && operation->now_ms > then.ms;

	return past ? (operation->now_ms - then.ms) / SECOND_MS : 0;
}

enum fail
fail_until_tomorrow(struct operation *operation, const char *code, const char *message)
{
	enum fail kind = task_fail(operation->task, FAIL_LIMITED, code, "%s", message);

	operation->task->failure.retry_after_s =
	        (DAY_MS - operation->now_ms % DAY_MS + SECOND_MS - 1) / SECOND_MS;
	return kind;
}

enum fail
fail_in_progress(struct task *task, bool has_key, const char *why)
{
	return task_fail(task, FAIL_BUSY,
	                 has_key ? "idempotency_in_progress" : "operation_in_progress", "%s",
	                 why != NULL ? why
	                             : "A request with this Idempotency-Key is being "
	                               "answered; try again.");
}

enum fail
fail_customer_not_found(struct task *task)
{
	return task_fail(task, FAIL_NOT_FOUND, "customer_not_found",
	                 "There is no such customer.");
}

enum fail
fail_subscription_not_found(struct task *task)
{
	return task_fail(task, FAIL_NOT_FOUND, "subscription_not_found",
	                 "The customer has no subscription.");
}

enum fail
fail_stripe_not_configured(struct task *task)
{
	return task_fail(task, FAIL_UNAVAILABLE, "stripe_not_configured",
	                 "Payments are not set up on this server.");
}
