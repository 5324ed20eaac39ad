/* operation.c: the parameter and the failures that many operations share. */
#include "billing/operation.h"

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
