/* requests.c: answers requests for bound licences. */
#include "instances/requests.h"

#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "base/wire.h"
#include "billing/audit.h"
#include "instances/instance_row.h"
#include "issuing/bound_licenses.h"
#include "json/view.h"

static enum fail
refuse(struct task *task, const char *why)
{
	return task_fail(task, FAIL_INVALID, "request_invalid",
	                 "This is no request that billing-agent wrote: %s.", why);
}

static enum fail
read_member(struct task *task, const struct json_view *object, const char *name,
            const char *(*check)(const char *value), const char **out)
{
	const char *fault;

	if (!json_view_string(object, name, out))
		return refuse(task, arena_printf(task->arena, "it has no %s", name));
	fault = check(*out);
	return fault == NULL ? FAIL_NONE
	                     : refuse(task, arena_printf(task->arena, "%s %s", name, fault));
}

static const char *
check_format(const char *value)
{
	return strcmp(value, WIRE_REQUEST_FORMAT) == 0 ? NULL : "must be " WIRE_REQUEST_FORMAT;
}

static const char *
check_nonce(const char *value)
{
	return text_is_made_of(value, TEXT_HEX, WIRE_NONCE_LENGTH, WIRE_NONCE_LENGTH)
	               ? NULL
	               : "must be 32 hex digits";
}

static const char *
check_customer(const char *value)
{
	return wire_is_customer_id(value) ? NULL : "must be cust_ and 32 hex digits";
}

enum fail
license_request_read(struct task *task, const char *text, struct license_request *out)
{
	struct json_view object, customer;
	const char *format;

	*out = (struct license_request){0};
	if (strlen(text) > WIRE_REQUEST_MAX ||
	    !json_view_try(task->arena, text, strlen(text), &object))
		return refuse(task, "it is no small JSON object");
	TRY(read_member(task, &object, "format", check_format, &format));
	TRY(read_member(task, &object, "instance_id", wire_check_id, &out->instance_id));
	TRY(read_member(task, &object, "kind", wire_check_kind, &out->kind));
	TRY(read_member(task, &object, "nonce", check_nonce, &out->nonce));
	if (!json_view_member(&object, "customer_id", &customer) ||
	    json_view_is_null(&customer))
		return FAIL_NONE;
	return read_member(task, &object, "customer_id", check_customer, &out->customer_id);
}

/* The licence that answered the request before. */
static enum fail
answer_again(struct task *task, const struct license_request *request,
             const struct bound_license *before, struct issued_license *out)
{
	if (before->revoked || before->token == NULL ||
	    strcmp(before->instance_id, request->instance_id) != 0)
		return task_fail(task, FAIL_CONFLICT, "request_used",
		                 "This request was answered before, by licence %s. Write a new "
		                 "one with billing-agent request.",
		                 before->jti);
	*out = (struct issued_license){.jti = before->jti,
	                               .token = before->token,
	                               .instance_id = before->instance_id,
	                               .expires_at = before->expires_at};
	return FAIL_NONE;
}

static enum fail
answer(struct operation *operation, const char *customer_id,
       const struct license_request *request, struct issued_license *out)
{
	struct instance_lease lease = {.customer_id = customer_id,
	                               .instance_id = request->instance_id,
	                               .kind = request->kind};
	struct instance instance;
	bool fresh;

	TRY(license_issue_bound(operation, customer_id, request->instance_id, out));
	lease.end_ms = out->expires_at.ms;
	TRY(instance_activate(operation, &lease, &instance, &fresh));
	TRY(bound_license_record(operation, customer_id, request->nonce, out));
	return audit_record(operation, "license_bind", customer_id, out->jti,
	                    request->instance_id);
}

enum fail
license_request_answer(struct operation *operation, const char *customer_id,
                       const struct license_request *request, struct issued_license *out)
{
	const struct plan_usage *usage = NULL;
	struct bound_license before;

	TRY(db_begin(operation->db, operation->task));
	/* Answers to one customer's requests are given one after the other. */
	TRY(instance_lock(operation, customer_id, &usage));
	TRY(bound_license_find(operation, customer_id, request->nonce, &before));
	if (before.jti != NULL)
		TRY(answer_again(operation->task, request, &before, out));
	else
		TRY(answer(operation, customer_id, request, out));
	return db_commit(operation->db, operation->task);
}
