/* file_key.c: the key pair that signs usage files. */
#include "base/file_key.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "base/arena.h"
#include "base/digest.h"
#include "base/log.h"

/* Keeps this key apart from all else that may once follow from an API key. */
static const char label[] = "global-billing usage file 1";

static void
require(bool fine)
{
	if (fine)
		return;
	log_line(LOG_LEVEL_ERROR, "OpenSSL failed", LOG_S("operation", "Ed25519"));
	_Exit(EXIT_FAILURE);
}

/* The seed is HMAC-SHA256 of the label under the API key, which is 256 random bits. */
static EVP_PKEY *
open_pair(const char *api_key)
{
	struct bytes part = {(const uint8_t *)label, strlen(label)};
	struct sha256 seed = digest_hmac_sha256(
	        (struct bytes){(const uint8_t *)api_key, strlen(api_key)}, &part, 1);
	EVP_PKEY *pair = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed.bytes,
	                                              sizeof(seed.bytes));

	OPENSSL_cleanse(&seed, sizeof(seed));
	require(pair != NULL);
	return pair;
}

struct bytes
file_key_public(struct arena *arena, const char *api_key)
{
	uint8_t *out = arena_alloc(arena, FILE_KEY_SIZE);
	EVP_PKEY *pair = open_pair(api_key);
	size_t length = FILE_KEY_SIZE;

	require(EVP_PKEY_get_raw_public_key(pair, out, &length) == 1);
	EVP_PKEY_free(pair);
	return (struct bytes){out, length};
}

struct bytes
file_key_sign(struct arena *arena, const char *api_key, struct bytes text)
{
	uint8_t *out = arena_alloc(arena, FILE_SIGNATURE_SIZE);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	EVP_PKEY *pair = open_pair(api_key);
	size_t length = FILE_SIGNATURE_SIZE;

	require(context != NULL &&
	        EVP_DigestSignInit_ex(context, NULL, NULL, NULL, NULL, pair, NULL) == 1 &&
	        EVP_DigestSign(context, out, &length, text.data, text.length) == 1);
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(pair);
	return (struct bytes){out, length};
}

bool
file_key_verify(struct bytes public_key, struct bytes text, struct bytes signature)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	EVP_PKEY *key =
	        public_key.length != FILE_KEY_SIZE
	                ? NULL
	                : EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key.data,
	                                              public_key.length);
	bool valid;

	require(context != NULL);
	valid = key != NULL && signature.length == FILE_SIGNATURE_SIZE &&
	        EVP_DigestVerifyInit_ex(context, NULL, NULL, NULL, NULL, key, NULL) == 1 &&
	        EVP_DigestVerify(context, signature.data, signature.length, text.data,
	                         text.length) == 1;
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return valid;
}
