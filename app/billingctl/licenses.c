/* licenses.c: billingctl license issue and verify. */
#include "issuing/licenses.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "billing/access.h"
#include "billingctl/output.h"
#include "licensing/revocations.h"
#include "json/view.h"

enum { LEEWAY_S = 120, FILE_MAX = 64 * 1024, KEYS_MAX = 256 * 1024 };

/* By verdict. Scripts depend on the statuses, so they never change. */
const struct ctl_exit license_verify_exits[] = {
        [LICENSE_MALFORMED - 1] = {10, "license_malformed: not a licence of ours"},
        [LICENSE_WRONG_ALGORITHM - 1] = {11,
                                         "license_algorithm_invalid: not signed with RS256"},
        [LICENSE_UNKNOWN_KEY - 1] = {12, "license_key_unknown: signed with an unknown key"},
        [LICENSE_BAD_SIGNATURE - 1] = {13, "license_signature_invalid: the signature is wrong"},
        [LICENSE_WRONG_ISSUER - 1] = {14, "license_issuer_invalid: issued by another issuer"},
        [LICENSE_NOT_YET_VALID - 1] = {15, "license_not_yet_valid: issued in the future"},
        [LICENSE_EXPIRED - 1] = {16, "license_expired: it has expired"},
        [LICENSE_REVOKED - 1] = {17, "license_revoked: it is on the revocation list"},
        [TOKEN_VERDICT_COUNT - 1] = {0, NULL},
};

enum fail
run_license_issue(struct ctl *ctl)
{
	struct output output = output_new(ctl);
	const char *path = ctl_option(ctl, "--out");
	struct subscription subscription;
	struct issued_license license;
	const char *request = ctl_option(ctl, "--request");
	const char *customer_id;

	if (request != NULL)
		return ctl_answer_request(ctl, request);
	if (ctl->argument == NULL)
		return ctl_usage(ctl, "give CUSTOMER, or --request FILE");
	TRY(ctl_customer_id(ctl, &customer_id));
	TRY(license_current(&ctl->operation, customer_id, &license, &subscription));
	if (path != NULL || !ctl->json)
		TRY(output_write(ctl, path, license.token));
	if (!ctl->json)
		return FAIL_NONE;
	output_text_or_file(&output, "license", license.token, "license_file", path);
	output_text(&output, "customer_id", subscription.customer_id);
	output_text(&output, "plan", subscription.plan);
	output_text(&output, "status", access_status(&subscription, ctl->operation.now_ms));
	output_text(&output, "jti", license.jti);
	output_time(&output, "expires_at", license.expires_at);
	return output_print(&output);
}

/* The token in a file: alone, or as a member of the API's JSON answer. */
static enum fail
read_token(struct ctl *ctl, const char *path, const char *member, size_t limit,
           const char **out)
{
	struct json_view answer = {0};
	const char *text = NULL;

	TRY(ctl_read_text(ctl, path, limit, &text));
	text += strspn(text, " \t\r\n");
	*out = text;
	/* No token starts with a brace. */
	if (*text != '{')
		return FAIL_NONE;
	if (json_view_open(&ctl->task, text, strlen(text), &answer) != FAIL_NONE) {
		/* Whatever it is, it is no licence: for the verdict to say. */
		task_clear(&ctl->task);
		return FAIL_NONE;
	}
	(void)json_view_string(&answer, member, out);
	return FAIL_NONE;
}

/* A file of other things is no failure to read: the verdict says so. */
static enum fail
read_license(struct ctl *ctl, const char **out)
{
	enum fail kind = read_token(ctl, ctl->argument, "license", FILE_MAX, out);

	if (kind != FAIL_INVALID && kind != FAIL_TOO_LARGE)
		return kind;
	task_clear(&ctl->task);
	*out = "";
	return FAIL_NONE;
}

static enum fail
read_keys(struct ctl *ctl)
{
	struct license_keys *keys = &ctl->billing.keys;
	const char *path = ctl_option(ctl, "--keys");
	const char *text = NULL;

	if (path == NULL) {
		TRY(ctl_read_settings(ctl, 0));
		return license_keys_load(&ctl->task, ctl->settings.keys_dir, false,
		                         clock_now_ms(), keys);
	}
	TRY(ctl_read_text(ctl, path, KEYS_MAX, &text));
	if (text[strspn(text, " \t\r\n")] == '{')
		return license_keys_from_jwks(&ctl->task, text, strlen(text), keys);
	return license_keys_public_from_pem(&ctl->task, text, keys);
}

/* Whether the list names the licence. An outdated list still counts, with a warning. */
static enum fail
look_up_revoked(struct ctl *ctl, const char *path, const struct license_claims *claims,
                bool *revoked)
{
	struct revocations list = {.issuer = NULL};
	enum token_verdict verdict;
	const char *token = NULL;
	char *stripped;

	TRY(read_token(ctl, path, "revocations", REVOCATIONS_TOKEN_MAX + FILE_MAX, &token));
	stripped = arena_copy_bytes(ctl->task.arena, token, strcspn(token, " \t\r\n"));
	verdict = revocations_read(&ctl->task, &ctl->billing.keys, stripped,
	                           clock_now_ms() / SECOND_MS, LEEWAY_S,
	                           ctl_option(ctl, "--issuer"), &list);
	if (verdict == LICENSE_EXPIRED)
		fprintf(stderr, "billingctl: %s is out of date; fetch a newer one\n", path);
	else if (verdict != LICENSE_VALID)
		return task_fail(&ctl->task, FAIL_INVALID, "revocations_invalid",
		                 "%s isn't a revocation list signed with these keys (%s).",
		                 path, token_verdict_code(verdict));
	*revoked = revocations_contains(&list, claims);
	return FAIL_NONE;
}

static enum fail
print_verdict(struct ctl *ctl, enum token_verdict verdict, const struct license_claims *claims,
              const char *payload)
{
	struct output output = output_new(ctl);

	output_bool(&output, "valid", verdict == LICENSE_VALID);
	if (verdict != LICENSE_VALID) {
		ctl->status = license_verify_exits[verdict - 1].status;
		output_text(&output, "code", token_verdict_code(verdict));
		output_text(&output, "error", token_verdict_message(verdict));
		return output_print(&output);
	}
	if (ctl->json) {
		output_raw(&output, "data", payload);
		return output_print(&output);
	}
	output_text(&output, "customer_id", claims->customer_id);
	output_text(&output, "customer_name", claims->customer_name);
	output_text(&output, "plan", claims->plan);
	output_text(&output, "status", claims->status);
	output_text(&output, "issuer", claims->issuer);
	output_text(&output, "jti", claims->jti);
	if (claims->instance != NULL)
		output_text(&output, "instance", claims->instance);
	output_time(&output, "issued_at", INSTANT_MS(claims->issued_at_s * SECOND_MS));
	output_time(&output, "expires_at", INSTANT_MS(claims->expires_at_s * SECOND_MS));
	return output_print(&output);
}

enum fail
run_license_verify(struct ctl *ctl)
{
	const char *list = ctl_option(ctl, "--revocations");
	const char *token = NULL, *payload = NULL;
	struct license_claims claims = {.jti = NULL};
	enum token_verdict verdict;
	bool revoked = false;

	TRY(read_keys(ctl));
	TRY(read_license(ctl, &token));
	verdict = license_verify(&ctl->task, &ctl->billing.keys, token,
	                         clock_now_ms() / SECOND_MS, LEEWAY_S,
	                         ctl_option(ctl, "--issuer"), &claims, &payload);
	if (list != NULL && verdict == LICENSE_VALID)
		TRY(look_up_revoked(ctl, list, &claims, &revoked));
	return print_verdict(ctl, revoked ? LICENSE_REVOKED : verdict, &claims, payload);
}
