/* imported_licenses.h: verifies licences that an earlier service signed with a key that was imported.
 *
 * They are JWTs signed with RS256 too, but may lack the kid, or have another one, and lack the claims
 * iss, sub, jti, iat and exp. Only the service accepts them; liblicense does not.
 */
#pragma once

#include "licensing/verify.h"

/*
 * The verdict on a token that license_verify() found to be `before`. It stays unless the token is
 * an RS256 JWT with a header of alg, typ and kid at most, and `keys` has an imported key. The licence
 * ends with the earlier one of exp and expiresAt. For LICENSE_VALID `payload` is the JSON as signed,
 * and `jti` its member or NULL.
 */
enum token_verdict imported_license_verify(struct task *task, const struct license_keys *keys,
                                           const char *token, int64_t now_s, int64_t leeway_s,
                                           enum token_verdict before, const char **payload,
                                           const char **jti) MUST_CHECK;
