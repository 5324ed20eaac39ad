/*
 * jwt.h: signed tokens, one exact shape of them: JWS compact serialization (RFC 7515) with
 * RS256 and the header {"alg":"RS256","typ":...,"kid":...}.
 *
 * All else that the RFCs allow is refused before a key is used (RFC 8725).
 */
#pragma once

#include "base/digest.h"
#include "licensing/keys.h"
#include "json/view.h"

/* A kind of token. The type keeps one from passing as another (RFC 8725 section 3.11). */
struct jwt_kind {
	const char *typ;
	size_t length_max; /* of the whole token, in bytes */
};

enum jwt_verdict {
	JWT_VALID,
	JWT_MALFORMED,       /* parts, base64url, JSON, header members, type, length */
	JWT_WRONG_ALGORITHM, /* not exactly RS256 */
	JWT_UNKNOWN_KEY,     /* no key with this kid */
	JWT_BAD_SIGNATURE
};

/* The payload of a valid token. */
struct jwt_payload {
	struct json_view object; /* lives in the arena, as the text does */
	const char *kid;         /* of the key that signed it */
	const char *text;        /* the JSON as it was signed, NUL-terminated, in the arena */
};

/* Signs the payload, which is JSON text. FAIL_INTERNAL "signing_failed" also when the key
 * cannot sign or the token would be longer than its kind allows. */
enum fail jwt_sign(struct task *task, const struct license_key *key,
                   const struct jwt_kind *kind, const char *payload, char **token) MUST_CHECK;

/* `payload` is filled when the verdict is JWT_VALID. The caller checks times and
 * issuer. Gives the arena up when OpenSSL has no memory: that is no verdict. */
enum jwt_verdict jwt_verify(struct arena *arena, const struct license_keys *keys,
                            const struct jwt_kind *kind, const char *token, size_t length,
                            struct jwt_payload *payload) MUST_CHECK;

/* Whether the signature is this key's over exactly these bytes (RSASSA-PKCS1-v1_5 with
 * SHA-256); false also when OpenSSL has no memory. OpenSSL's queue of errors is empty
 * afterwards. */
bool jwt_signature_is_valid(const struct license_key *key, const void *data, size_t length,
                            struct bytes signature);
