/* verify.h: signs claims as a licence, and verifies licences. Needs no network and no database,
 * so that it runs at the customer too. */
#pragma once

#include "licensing/claims.h"
#include "licensing/jwt.h"

enum { LICENSE_TOKEN_MAX = 16 * 1024 };

enum token_verdict {
	LICENSE_VALID,
	LICENSE_MALFORMED,
	LICENSE_WRONG_ALGORITHM,
	LICENSE_UNKNOWN_KEY,
	LICENSE_BAD_SIGNATURE,
	LICENSE_WRONG_ISSUER,
	LICENSE_NOT_YET_VALID,
	LICENSE_EXPIRED,
	LICENSE_REVOKED, /* never by license_verify(): the caller has the list */
	TOKEN_VERDICT_COUNT
};

/* A stable code ("license_expired"), and a sentence for people. */
const char *token_verdict_code(enum token_verdict verdict);
const char *token_verdict_message(enum token_verdict verdict);

/* The verdict on a token of any kind by its header and signature alone. */
enum token_verdict token_verdict_of_jwt(enum jwt_verdict verdict);

/* The claims as a signed licence. FAIL_INTERNAL "signing_failed". */
enum fail license_sign(struct task *task, const struct license_key *key,
                       const struct license_claims *claims, char **token) MUST_CHECK;

/*
 * Checks a licence. ASCII white space anywhere in `token`, and a byte order mark, is dropped
 * first, as people paste licences out of mails and wrapped configuration files; nothing else
 * is forgiven.
 *
 * It expired when exp <= now - leeway; it isn't valid yet when iat or nbf > now + leeway.
 * `issuer` is compared unless it is NULL. From LICENSE_WRONG_ISSUER on (and for LICENSE_VALID)
 * the signature held: then `claims` and `payload` (the JSON as signed, may be NULL if unwanted)
 * are filled. Never records a failure in the task; its arena owns the results.
 */
enum token_verdict license_verify(struct task *task, const struct license_keys *keys,
                                  const char *token, int64_t now_s, int64_t leeway_s,
                                  const char *issuer, struct license_claims *claims,
                                  const char **payload) MUST_CHECK;
