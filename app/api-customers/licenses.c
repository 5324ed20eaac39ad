/* licenses.c: issues, revokes and verifies licences, and publishes the keys to verify them. */
#include <string.h>

#include "accounts/accounts.h"
#include "api/caller.h"
#include "api/handlers.h"
#include "api/render.h"
#include "api/share.h"
#include "base/arena.h"
#include "billing/access.h"
#include "issuing/license_records.h"
#include "issuing/revocation_list.h"
#include "json/fields.h"

enum { TOKEN_MAX = 20000 };

struct revoke_input {
	const char *reason;
};

const struct field revoke_license_body[] = {
        FIELD(struct revoke_input, reason, .min = 1, .max = 500, .check = customer_check_name),
        FIELD_END(struct revoke_input),
};

struct verify_input {
	const char *license;
};

const struct field verify_license_body[] = {
        FIELD(struct verify_input, license, .required = true, .min = 1, .max = TOKEN_MAX),
        FIELD_END(struct verify_input),
};

/* The answer of every call that issues a licence. */
static enum fail
answer_license(struct call *call, const char *customer_id, const struct issued_license *license,
               const struct subscription *subscription)
{
	struct json_out json = answer_begin(call, 2048);

	json_out_string(&json, "license", license->token);
	json_out_string(&json, "customer_id", customer_id);
	json_out_string(&json, "plan", subscription->plan);
	json_out_string(&json, "status", access_status(subscription, call->operation.now_ms));
	metrics_add(call->api->metrics,
	            license->fresh ? METRIC_LICENSES_SIGNED : METRIC_LICENSES_KEPT, 1);
	return answer_end(call, 200, &json);
}

/* Sets the licence's ETag. True, with status 304, when the client has this licence already. */
static bool
answer_unchanged(struct call *call, const struct issued_license *license)
{
	const char *tag = arena_printf(call->operation.task->arena, "\"%s\"", license->jti);

	if (!answer_not_modified(call, tag, "private, no-cache"))
		return false;
	metrics_add(call->api->metrics, METRIC_LICENSES_KEPT, 1);
	return true;
}

/* Often called: one statement reads key, customer, subscription and current licence. */
enum fail
get_license(struct call *call)
{
	const char *id = request_param(call->request, "customer_id");
	struct license_view view = {0};
	struct issued_license license;

	TRY(license_view_read(&call->operation, &call->caller.digest, id, &view));
	TRY(caller_admit(call, &view.key));
	call->operation.before_signing = share_sign;
	call->operation.signing_context = call;
	TRY(license_issue(&call->operation, &view, &license));
	if (answer_unchanged(call, &license))
		return FAIL_NONE;
	return answer_license(call, id, &license, &view.subscription);
}

enum fail
post_license_rotate(struct call *call)
{
	const char *id = request_param(call->request, "customer_id");
	struct subscription subscription;
	struct issued_license license;

	TRY(license_rotate(&call->operation, id, &license, &subscription));
	return answer_license(call, id, &license, &subscription);
}

enum fail
post_license_revoke(struct call *call)
{
	const struct revoke_input *input = call->body;
	const char *id = request_param(call->request, "customer_id");

	TRY(account_revoke_licenses(&call->operation, id, input->reason));
	return answer_message(call,
	                      "The subscription is cancelled and its licences are revoked.",
	                      "customer_id", id);
}

enum fail
get_license_history(struct call *call)
{
	const struct page_query *input = call->query;
	const char *id = request_param(call->request, "customer_id");
	struct operation *operation = &call->operation;
	const struct issued_license *rows;
	struct customer customer;
	struct json_out json;
	struct page page;
	size_t count;

	TRY(page_read(operation->task, input->limit, input->cursor, &page));
	TRY(customer_find(operation, id, &customer));
	TRY(license_history(operation, id, &page, &rows, &count));
	json = answer_begin(call, 256 + count * 320);
	json_out_string(&json, "customer_id", id);
	json_out_open(&json, "licenses", '[');
	for (size_t i = 0; i < count; i++)
		render_license_row(&json, &rows[i]);
	json_out_close(&json, ']');
	return answer_page(call, &json, &page);
}

enum fail
get_public_key(struct call *call)
{
	const struct license_key *key = license_keys_current(&call->api->billing.keys);
	struct json_out json = answer_begin(call, 1024);

	json_out_string(&json, "public_key", key->public_pem);
	json_out_string(&json, "algorithm", "RS256");
	json_out_string(&json, "kid", key->kid);
	json_out_string(
	        &json, "usage",
	        "Verify licences offline: RS256 only, with this key or the one of their kid "
	        "in /.well-known/jwks.json.");
	response_header(call->response, "Cache-Control", "public, max-age=300");
	return answer_end(call, 200, &json);
}

enum fail
get_jwks(struct call *call)
{
	const char *jwks =
	        license_keys_jwks(call->operation.task->arena, &call->api->billing.keys);

	call->response->status = 200;
	call->response->body = jwks;
	call->response->length = strlen(jwks);
	response_header(call->response, "Content-Type", "application/json");
	response_header(call->response, "Cache-Control", "public, max-age=300");
	return FAIL_NONE;
}

/* Often called, and by anybody: one statement reads the stored list. */
enum fail
get_revocations(struct call *call)
{
	struct stored_list list;
	struct json_out json;
	const char *tag;

	TRY(revocation_list_current(&call->operation, &list));
	/* After a restore of the database a number may come again with another time. */
	tag = arena_printf(call->operation.task->arena, "\"%lld-%lld\"", (long long)list.number,
	                   (long long)list.issued_at.ms);
	if (answer_not_modified(call, tag, "public, max-age=300"))
		return FAIL_NONE;
	json = answer_begin(call, strlen(list.token) + 64);
	json_out_string(&json, "revocations", list.token);
	return answer_end(call, 200, &json);
}

enum fail
post_license_verify(struct call *call)
{
	const struct verify_input *input = call->body;
	struct json_out json = answer_begin(call, 1024);
	enum token_verdict verdict;
	const char *payload = NULL;

	TRY(license_check(&call->operation, input->license, &verdict, &payload));
	json_out_bool(&json, "valid", verdict == LICENSE_VALID);
	if (verdict == LICENSE_VALID) {
		json_out_raw(&json, "data", payload);
	} else {
		json_out_string(&json, "error", token_verdict_message(verdict));
		json_out_string(&json, "code", token_verdict_code(verdict));
		json_out_string(&json, "request_id", call->request->task.request_id);
	}
	return answer_end(call, verdict == LICENSE_VALID ? 200 : 401, &json);
}
