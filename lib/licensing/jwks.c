/* jwks.c: sets of public keys as JWK sets (RFC 7517, RFC 7518 section 6.3). */
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "base/digest.h"
#include "base/text.h"
#include "licensing/keys.h"
#include "json/out.h"
#include "json/view.h"

char *
license_keys_jwks(struct arena *arena, const struct license_keys *keys)
{
	struct json_out json = json_out_new(arena, 512 * (keys->count + 1));

	json_out_open(&json, NULL, '{');
	json_out_open(&json, "keys", '[');
	for (size_t i = 0; i < keys->count; i++) {
		json_out_open(&json, NULL, '{');
		json_out_string(&json, "kty", "RSA");
		json_out_string(&json, "use", "sig");
		json_out_string(&json, "alg", "RS256");
		json_out_string(&json, "kid", keys->items[i].kid);
		json_out_string(&json, "n", keys->items[i].n);
		json_out_string(&json, "e", keys->items[i].e);
		json_out_close(&json, '}');
	}
	json_out_close(&json, ']');
	json_out_close(&json, '}');
	return json.text.data;
}

/* The public key of these two numbers; NULL when OpenSSL refuses them. */
static EVP_PKEY *
pkey_from_numbers(struct bytes modulus, struct bytes exponent)
{
	BIGNUM *n = BN_bin2bn(modulus.data, (int)modulus.length, NULL);
	BIGNUM *e = BN_bin2bn(exponent.data, (int)exponent.length, NULL);
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	OSSL_PARAM *params = NULL;
	EVP_PKEY *pkey = NULL;

	if (n != NULL && e != NULL && builder != NULL && context != NULL &&
	    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
	    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) == 1)
		params = OSSL_PARAM_BLD_to_param(builder);
	if (params == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
	    EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
		pkey = NULL;
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(builder);
	EVP_PKEY_CTX_free(context);
	BN_free(e);
	BN_free(n);
	ERR_clear_error();
	return pkey;
}

/* The member is absent or has exactly this value. */
static bool
absent_or(const struct json_view *jwk, const char *name, const char *value)
{
	struct json_view member;
	const char *text;

	if (!json_view_member(jwk, name, &member))
		return true;
	return json_view_text(&member, &text) && strcmp(text, value) == 0;
}

/* The key is for RS256 signatures. A key with key_ops is left out, whatever it allows. */
static bool
is_rs256_key(const struct json_view *jwk)
{
	struct json_view operations;
	const char *kty;

	return json_view_string(jwk, "kty", &kty) && strcmp(kty, "RSA") == 0 &&
	       absent_or(jwk, "use", "sig") && absent_or(jwk, "alg", "RS256") &&
	       !json_view_member(jwk, "key_ops", &operations);
}

static enum fail
refuse_set(struct task *task, const char *why)
{
	return task_fail(task, FAIL_INVALID, "jwks_invalid", "The JWK set is refused: %s.",
	                 why);
}

static bool
decode_number(struct arena *arena, const struct json_view *jwk, const char *name,
              struct bytes *out)
{
	const char *text;

	return json_view_string(jwk, name, &text) &&
	       base64url_decode(arena, text, strlen(text), out) && out->length > 0 &&
	       out->length <= LICENSE_KEY_BITS_MAX / 8;
}

static enum fail
add_jwk(struct task *task, struct license_keys *keys, const struct json_view *jwk)
{
	struct bytes modulus, exponent;
	struct license_key *added;
	EVP_PKEY *pkey;

	if (!decode_number(task->arena, jwk, "n", &modulus) ||
	    !decode_number(task->arena, jwk, "e", &exponent))
		return refuse_set(task, "a key's n or e isn't base64url");
	pkey = pkey_from_numbers(modulus, exponent);
	if (pkey == NULL)
		return refuse_set(task, "a key's numbers make no RSA key");
	TRY(license_keys_add(task, keys, pkey, "A key of the JWK set", false, &added));
	if (added != NULL && !absent_or(jwk, "kid", added->kid))
		return refuse_set(task, "a kid isn't the RFC 7638 thumbprint of its key");
	return FAIL_NONE;
}

enum fail
license_keys_add_jwks(struct task *task, struct license_keys *keys, const char *text,
                      size_t length)
{
	struct json_view set = {0}, list, jwk;

	TRY(json_view_open(task, text, length, &set));
	if (!json_view_member(&set, "keys", &list) || !json_view_is_list(&list))
		return refuse_set(task, "it has no array of keys");
	for (bool more = json_view_first(&list, &jwk); more; more = json_view_next(&jwk)) {
		if (!json_view_is_object(&jwk))
			return refuse_set(task, "a key isn't an object");
		if (is_rs256_key(&jwk))
			TRY(add_jwk(task, keys, &jwk));
	}
	return FAIL_NONE;
}

enum fail
license_keys_from_jwks(struct task *task, const char *text, size_t length,
                       struct license_keys *out)
{
	enum fail kind;

	license_keys_init(out);
	kind = license_keys_add_jwks(task, out, text, length);
	if (kind != FAIL_NONE)
		license_keys_release(out);
	return kind;
}
