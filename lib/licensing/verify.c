/* verify.c: verifies licences, for the service and for its customers. */
#include "licensing/verify.h"

#include <string.h>

#include "base/arena.h"
#include "base/text.h"

static const struct jwt_kind license_kind = {"JWT", LICENSE_TOKEN_MAX};

/* Twice the longest token: a pasted one may have as many blanks as digits. */
enum { PASTED_MAX = 2 * LICENSE_TOKEN_MAX };

static const struct {
	const char *code;
	const char *message;
} verdicts[TOKEN_VERDICT_COUNT] = {
        [LICENSE_VALID] = {"license_valid", "The licence is valid."},
        [LICENSE_MALFORMED] = {"license_malformed", "This isn't a licence of ours."},
        [LICENSE_WRONG_ALGORITHM] = {"license_algorithm_invalid",
                                     "The licence isn't signed with RS256."},
        [LICENSE_UNKNOWN_KEY] = {"license_key_unknown",
                                 "The licence is signed with a key that isn't known."},
        [LICENSE_BAD_SIGNATURE] = {"license_signature_invalid",
                                   "The licence's signature is wrong."},
        [LICENSE_WRONG_ISSUER] = {"license_issuer_invalid",
                                  "The licence was issued by somebody else."},
        [LICENSE_NOT_YET_VALID] = {"license_not_yet_valid", "The licence isn't valid yet."},
        [LICENSE_EXPIRED] = {"license_expired", "The licence has expired."},
        [LICENSE_REVOKED] = {"license_revoked", "The licence has been revoked."},
};

const char *
token_verdict_code(enum token_verdict verdict)
{
	return verdicts[verdict].code;
}

const char *
token_verdict_message(enum token_verdict verdict)
{
	return verdicts[verdict].message;
}

enum fail
license_sign(struct task *task, const struct license_key *key,
             const struct license_claims *claims, char **token)
{
	return jwt_sign(task, key, &license_kind, license_claims_write(task->arena, claims),
	                token);
}

enum token_verdict
token_verdict_of_jwt(enum jwt_verdict verdict)
{
	switch (verdict) {
	case JWT_VALID:
		return LICENSE_VALID;
	case JWT_WRONG_ALGORITHM:
		return LICENSE_WRONG_ALGORITHM;
	case JWT_UNKNOWN_KEY:
		return LICENSE_UNKNOWN_KEY;
	case JWT_BAD_SIGNATURE:
		return LICENSE_BAD_SIGNATURE;
	case JWT_MALFORMED:
		break;
	}
	return LICENSE_MALFORMED;
}

/* The token without white space; NULL when it is too long. */
static char *
strip_blanks(struct arena *arena, const char *token)
{
	size_t length = strnlen(token, PASTED_MAX + 1), used = 0;
	size_t mark = text_mark(token, length);
	char *out;

	if (length > PASTED_MAX)
		return NULL;
	out = arena_alloc(arena, length + 1);
	for (size_t i = mark; i < length; i++)
		if (!strchr(" \t\n\v\f\r", token[i]))
			out[used++] = token[i];
	return out;
}

static enum token_verdict
judge_claims(const struct license_claims *claims, int64_t now_s, int64_t leeway_s,
             const char *issuer)
{
	if (issuer != NULL && strcmp(issuer, claims->issuer) != 0)
		return LICENSE_WRONG_ISSUER;
	if (claims->issued_at_s > now_s + leeway_s || claims->not_before_s > now_s + leeway_s)
		return LICENSE_NOT_YET_VALID;
	if (claims->expires_at_s <= now_s - leeway_s)
		return LICENSE_EXPIRED;
	return LICENSE_VALID;
}

enum token_verdict
license_verify(struct task *task, const struct license_keys *keys, const char *token,
               int64_t now_s, int64_t leeway_s, const char *issuer,
               struct license_claims *claims, const char **payload)
{
	/* A bad licence is a verdict and no failure of the task. */
	struct task reading = task_attempt(task);
	const char *stripped = strip_blanks(task->arena, token);
	struct jwt_payload content = {0};
	enum token_verdict verdict;

	if (stripped == NULL)
		return LICENSE_MALFORMED;
	verdict = token_verdict_of_jwt(jwt_verify(task->arena, keys, &license_kind, stripped,
	                                          strlen(stripped), &content));
	if (verdict != LICENSE_VALID)
		return verdict;
	if (license_claims_read(&reading, &content.object, claims) != FAIL_NONE)
		return LICENSE_MALFORMED;
	claims->kid = content.kid;
	if (payload != NULL)
		*payload = content.text;
	return judge_claims(claims, now_s, leeway_s, issuer);
}
