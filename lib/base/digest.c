/* digest.c: SHA-256, HMAC, AES-256-GCM under HKDF, hex and base64url. */
#include "base/digest.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/random.h"

enum { SALT_SIZE = 32, TAG_SIZE = 16, KEY_SIZE = 32, NONCE_SIZE = 12 };

/* Algorithms are fetched once per process: a fetch at each use nearly doubles the cost of a
 * small hash in OpenSSL 3.0. They survive fork() and never change after the first call, so they
 * may be static. */
static pthread_once_t fetched = PTHREAD_ONCE_INIT;
static EVP_MD *sha256_algorithm;
static EVP_CIPHER *seal_algorithm;
static EVP_KDF *hkdf_algorithm;
static EVP_MAC_CTX *hmac_sha256; /* copied for each use */

static void
require(bool fine, const char *what)
{
	if (fine)
		return;
	log_line(LOG_LEVEL_ERROR, "OpenSSL failed", LOG_S("operation", what));
	_Exit(EXIT_FAILURE);
}

static EVP_MAC_CTX *
new_hmac_sha256(void)
{
	char hash[] = "SHA256";
	OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, hash, 0),
	                       OSSL_PARAM_construct_end()};
	EVP_MAC *algorithm = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *context = EVP_MAC_CTX_new(algorithm);

	require(context != NULL && EVP_MAC_CTX_set_params(context, params) == 1, "HMAC");
	EVP_MAC_free(algorithm); /* the context holds it */
	return context;
}

static void
fetch_algorithms(void)
{
	sha256_algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
	seal_algorithm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	hkdf_algorithm = EVP_KDF_fetch(NULL, "HKDF", NULL);
	hmac_sha256 = new_hmac_sha256();
	require(sha256_algorithm != NULL && seal_algorithm != NULL && hkdf_algorithm != NULL,
	        "fetch");
}

struct sha256
digest_sha256(const void *data, size_t length)
{
	struct sha256 digest;

	pthread_once(&fetched, fetch_algorithms);
	require(EVP_Digest(data, length, digest.bytes, NULL, sha256_algorithm, NULL) == 1,
	        "SHA-256");
	return digest;
}

bool
digest_try_sha256(const void *data, size_t length, struct sha256 *out)
{
	return EVP_Digest(data, length, out->bytes, NULL, EVP_sha256(), NULL) == 1;
}

/* Hashes the length, then the string. NULL has a length that no string has. */
static void
hash_string(EVP_MD_CTX *context, const char *string)
{
	uint64_t length = string != NULL ? strlen(string) : UINT64_MAX;
	uint8_t prefix[8];

	for (size_t i = 0; i < sizeof(prefix); i++)
		prefix[i] = (uint8_t)(length >> (56 - 8 * i));
	require(EVP_DigestUpdate(context, prefix, sizeof(prefix)) == 1, "SHA-256");
	if (string != NULL)
		require(EVP_DigestUpdate(context, string, length) == 1, "SHA-256");
}

struct sha256
digest_strings(const char *const *strings, size_t count)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	struct sha256 digest;

	pthread_once(&fetched, fetch_algorithms);
	require(context != NULL && EVP_DigestInit_ex2(context, sha256_algorithm, NULL) == 1,
	        "SHA-256");
	for (size_t i = 0; i < count; i++)
		hash_string(context, strings[i]);
	require(EVP_DigestFinal_ex(context, digest.bytes, NULL) == 1, "SHA-256");
	EVP_MD_CTX_free(context);
	return digest;
}

struct sha256
digest_hmac_sha256(struct bytes key, const struct bytes *parts, size_t count)
{
	EVP_MAC_CTX *context;
	struct sha256 digest;
	size_t length = 0;

	pthread_once(&fetched, fetch_algorithms);
	context = EVP_MAC_CTX_dup(hmac_sha256);
	require(context != NULL && EVP_MAC_init(context, key.data, key.length, NULL) == 1,
	        "HMAC");
	for (size_t i = 0; i < count; i++)
		require(EVP_MAC_update(context, parts[i].data, parts[i].length) == 1, "HMAC");
	require(EVP_MAC_final(context, digest.bytes, &length, SHA256_SIZE) == 1 &&
	                length == SHA256_SIZE,
	        "HMAC");
	EVP_MAC_CTX_free(context);
	return digest;
}

bool
digest_equal(const struct sha256 *a, const struct sha256 *b)
{
	return CRYPTO_memcmp(a->bytes, b->bytes, SHA256_SIZE) == 0;
}

/* Key and nonce both come from the salt, which is fresh each time, so no nonce ever repeats. */
struct seal_key {
	uint8_t key[KEY_SIZE];
	uint8_t nonce[NONCE_SIZE];
};

static struct seal_key
derive_seal_key(struct bytes secret, const uint8_t salt[static SALT_SIZE])
{
	static const uint8_t purpose[] = "global billing seal 1";
	EVP_KDF_CTX *context;
	struct seal_key out;
	uint8_t material[KEY_SIZE + NONCE_SIZE];
	/* OSSL_PARAM takes no const pointers, so it gets copies. */
	uint8_t own_salt[SALT_SIZE], info[sizeof(purpose)], *own_secret;
	char hash[] = "SHA256";
	OSSL_PARAM params[5];

	pthread_once(&fetched, fetch_algorithms);
	context = EVP_KDF_CTX_new(hkdf_algorithm);
	own_secret = OPENSSL_memdup(secret.data, secret.length);
	require(context != NULL && own_secret != NULL, "HKDF");
	memcpy(own_salt, salt, SALT_SIZE);
	memcpy(info, purpose, sizeof(info));
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, hash, 0);
	params[1] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, own_secret,
	                                              secret.length);
	params[2] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, own_salt, SALT_SIZE);
	params[3] =
	        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, sizeof(info) - 1);
	params[4] = OSSL_PARAM_construct_end();
	require(EVP_KDF_derive(context, material, sizeof(material), params) == 1, "HKDF");
	memcpy(out.key, material, KEY_SIZE);
	memcpy(out.nonce, material + KEY_SIZE, NONCE_SIZE);
	OPENSSL_cleanse(material, sizeof(material));
	OPENSSL_clear_free(own_secret, secret.length);
	EVP_KDF_CTX_free(context);
	return out;
}

/* Sealed bytes are salt, ciphertext, tag. */
struct bytes
digest_seal(struct arena *arena, struct bytes secret, struct bytes plain)
{
	uint8_t *sealed = arena_alloc(arena, SALT_SIZE + plain.length + TAG_SIZE);
	uint8_t *body = sealed + SALT_SIZE;
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	struct seal_key key;
	int length = 0;

	require(context != NULL && plain.length < INT_MAX, "AES-GCM");
	random_bytes(sealed, SALT_SIZE);
	key = derive_seal_key(secret, sealed);
	require(EVP_EncryptInit_ex2(context, seal_algorithm, key.key, key.nonce, NULL) == 1 &&
	                EVP_EncryptUpdate(context, body, &length, plain.data,
	                                  (int)plain.length) == 1 &&
	                EVP_EncryptFinal_ex(context, body + length, &length) == 1 &&
	                EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE,
	                                    body + plain.length) == 1,
	        "AES-GCM");
	OPENSSL_cleanse(&key, sizeof(key));
	EVP_CIPHER_CTX_free(context);
	return (struct bytes){sealed, SALT_SIZE + plain.length + TAG_SIZE};
}

bool
digest_open(struct arena *arena, struct bytes secret, struct bytes sealed, struct bytes *out)
{
	EVP_CIPHER_CTX *context;
	struct seal_key key;
	uint8_t *plain, tag[TAG_SIZE];
	size_t length;
	int written = 0;
	bool opened;

	if (sealed.length < SALT_SIZE + TAG_SIZE || sealed.length > INT_MAX)
		return false;
	length = sealed.length - SALT_SIZE - TAG_SIZE;
	plain = arena_alloc(arena, length + 1);
	memcpy(tag, sealed.data + SALT_SIZE + length, TAG_SIZE);
	key = derive_seal_key(secret, sealed.data);
	context = EVP_CIPHER_CTX_new();
	require(context != NULL, "AES-GCM");
	opened = EVP_DecryptInit_ex2(context, seal_algorithm, key.key, key.nonce, NULL) == 1 &&
	         EVP_DecryptUpdate(context, plain, &written, sealed.data + SALT_SIZE,
	                           (int)length) == 1 &&
	         EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, tag) == 1 &&
	         EVP_DecryptFinal_ex(context, plain + written, &written) == 1;
	OPENSSL_cleanse(&key, sizeof(key));
	EVP_CIPHER_CTX_free(context);
	ERR_clear_error();
	if (!opened) {
		OPENSSL_cleanse(plain, length);
		return false;
	}
	*out = (struct bytes){plain, length};
	return true;
}
