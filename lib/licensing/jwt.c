/*
 * jwt.c: RS256 tokens in compact serialization.
 *
 * Each strictness has a reason. base64url has no padding and no spare bits, so that a token has
 * one spelling. The header has three members and no other: jwk, jku, x5u and x5c would name a
 * key of the sender's, and crit, b64 and zip change what is signed.
 */
#include "licensing/jwt.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#include "base/arena.h"
#include "json/out.h"

/* The three parts of a token; `signed_length` covers the first two and their dot. */
struct parts {
	struct bytes header;
	struct bytes payload;
	struct bytes signature;
	size_t signed_length;
};

static enum fail
signing_failed(struct task *task, const char *why)
{
	ERR_clear_error();
	return task_fail(task, FAIL_INTERNAL, "signing_failed",
	                 "The token cannot be signed: %s.", why);
}

static enum fail
sign_text(struct task *task, const struct license_key *key, const char *text,
          struct bytes *signature)
{
	size_t length = (size_t)EVP_PKEY_get_size(key->pkey);
	unsigned char *data = arena_alloc(task->arena, length);
	EVP_MD_CTX *context;
	bool fine;

	if (!key->can_sign)
		return signing_failed(task, "the key has no private half");
	context = EVP_MD_CTX_new();
	fine = context != NULL && key->signer != NULL &&
	       EVP_MD_CTX_copy_ex(context, key->signer) == 1 &&
	       EVP_DigestSign(context, data, &length, (const unsigned char *)text,
	                      strlen(text)) == 1;
	EVP_MD_CTX_free(context);
	if (!fine)
		return signing_failed(task, "OpenSSL refused");
	*signature = (struct bytes){data, length};
	return FAIL_NONE;
}

enum fail
jwt_sign(struct task *task, const struct license_key *key, const struct jwt_kind *kind,
         const char *payload, char **token)
{
	struct json_out header = json_out_new(task->arena, 128);
	struct bytes signature = {0};
	const char *text;

	json_out_open(&header, NULL, '{');
	json_out_string(&header, "alg", "RS256");
	json_out_string(&header, "typ", kind->typ);
	json_out_string(&header, "kid", key->kid);
	json_out_close(&header, '}');
	text = arena_printf(task->arena, "%s.%s",
	                    base64url_encode(task->arena, header.text.data, header.text.length),
	                    base64url_encode(task->arena, payload, strlen(payload)));
	TRY(sign_text(task, key, text, &signature));
	*token = arena_printf(task->arena, "%s.%s", text,
	                      base64url_encode(task->arena, signature.data, signature.length));
	if (strlen(*token) > kind->length_max)
		return signing_failed(task, "it is too long");
	return FAIL_NONE;
}

enum jwt_signature {
	JWT_SIGNATURE_VALID,
	JWT_SIGNATURE_BAD,
	JWT_SIGNATURE_UNKNOWN /* OpenSSL had no memory to check it */
};

/* Why EVP_DigestVerify() failed. It also fails when memory ran out. A signature is bad only
 * when RSA's own reason (padding, length, digest) is in the queue of errors and no failed
 * allocation is. Empties the queue. */
static enum jwt_signature
failure_of_verify(void)
{
	bool rejected = false, starved = false;
	unsigned long error;

	while ((error = ERR_get_error()) != 0) {
		if (ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE)
			starved = true;
		else if (ERR_GET_LIB(error) == ERR_LIB_RSA &&
		         (ERR_GET_REASON(error) & ERR_RFLAG_COMMON) == 0)
			rejected = true;
	}
	return rejected && !starved ? JWT_SIGNATURE_BAD : JWT_SIGNATURE_UNKNOWN;
}

static enum jwt_signature
check_signature(const struct license_key *key, const void *data, size_t length,
                struct bytes signature)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	enum jwt_signature out = JWT_SIGNATURE_UNKNOWN;

	ERR_clear_error();
	if (context != NULL && EVP_DigestVerifyInit_ex(context, NULL, "SHA256", NULL, NULL,
	                                               key->pkey, NULL) == 1) {
		int status = EVP_DigestVerify(context, signature.data, signature.length, data,
		                              length);

		out = status == 1 ? JWT_SIGNATURE_VALID : failure_of_verify();
	}
	EVP_MD_CTX_free(context);
	ERR_clear_error();
	return out;
}

bool
jwt_signature_is_valid(const struct license_key *key, const void *data, size_t length,
                       struct bytes signature)
{
	return check_signature(key, data, length, signature) == JWT_SIGNATURE_VALID;
}

/* Three parts, each of them strict base64url; only the signature may be empty, as it is where the
 * algorithm is "none". */
static bool
split_token(struct arena *arena, const char *token, size_t length, struct parts *out)
{
	const char *end = token + length;
	const char *first = memchr(token, '.', length);
	const char *second =
	        first != NULL ? memchr(first + 1, '.', (size_t)(end - first - 1)) : NULL;

	/* base64url has no dot, so a third one makes the signature malformed. */
	if (second == NULL)
		return false;
	out->signed_length = (size_t)(second - token);
	return base64url_decode(arena, token, (size_t)(first - token), &out->header) &&
	       base64url_decode(arena, first + 1, (size_t)(second - first - 1),
	                        &out->payload) &&
	       base64url_decode(arena, second + 1, (size_t)(end - second - 1),
	                        &out->signature) &&
	       out->header.length > 0 && out->payload.length > 0;
}

/* Checks the header and finds the key's id in it. */
static enum jwt_verdict
check_header(const struct json_view *header, const struct jwt_kind *kind, const char **kid)
{
	const char *alg, *typ;

	if (!json_view_string(header, "alg", &alg) || strcmp(alg, "RS256") != 0)
		return JWT_WRONG_ALGORITHM;
	if (!json_view_string(header, "typ", &typ) || strcmp(typ, kind->typ) != 0 ||
	    !json_view_string(header, "kid", kid))
		return JWT_MALFORMED;
	/* No name occurs twice, so three members are exactly these three. */
	if (json_view_count(header) != 3)
		return JWT_MALFORMED;
	return JWT_VALID;
}

enum jwt_verdict
jwt_verify(struct arena *arena, const struct license_keys *keys, const struct jwt_kind *kind,
           const char *token, size_t length, struct jwt_payload *payload)
{
	const struct license_key *key;
	enum jwt_verdict verdict;
	struct json_view header;
	struct parts parts;
	const char *kid;

	if (length > kind->length_max || !split_token(arena, token, length, &parts))
		return JWT_MALFORMED;
	if (!json_view_try(arena, (const char *)parts.header.data, parts.header.length,
	                   &header))
		return JWT_MALFORMED;
	verdict = check_header(&header, kind, &kid);
	if (verdict != JWT_VALID)
		return verdict;
	if (parts.signature.length == 0)
		return JWT_MALFORMED;
	key = license_keys_find(keys, kid);
	if (key == NULL)
		return JWT_UNKNOWN_KEY;
	switch (check_signature(key, token, parts.signed_length, parts.signature)) {
	case JWT_SIGNATURE_VALID:
		break;
	case JWT_SIGNATURE_BAD:
		return JWT_BAD_SIGNATURE;
	case JWT_SIGNATURE_UNKNOWN:
		arena_give_up(arena, "OpenSSL cannot verify");
	}
	payload->kid = arena_copy(arena, kid);
	payload->text = arena_copy_bytes(arena, parts.payload.data, parts.payload.length);
	if (!json_view_try(arena, payload->text, parts.payload.length, &payload->object))
		return JWT_MALFORMED;
	return JWT_VALID;
}
