/* key_warm.c: uses every key once before the first request. */
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "licensing/jwt.h"
#include "licensing/keys.h"

static enum fail
refuse_key(struct task *task, const char *fault)
{
	ERR_clear_error();
	return task_fail(task, FAIL_INVALID, "key_invalid", "%s", fault);
}

/* Signs a token and verifies it, which also finds a damaged private key. */
static enum fail
warm_signing(struct task *task, const struct license_key *key)
{
	static const struct jwt_kind warm_up = {"warm-up", 4096};
	struct task trial = task_attempt(task);
	struct license_key copy = *key;
	struct license_keys only = {.items = &copy, .count = 1};
	struct jwt_payload payload;
	char *token = NULL;

	if (jwt_sign(&trial, key, &warm_up, "{}", &token) != FAIL_NONE ||
	    jwt_verify(task->arena, &only, &warm_up, token, strlen(token), &payload) !=
	            JWT_VALID)
		return refuse_key(task, "The private key is damaged.");
	return FAIL_NONE;
}

enum fail
license_keys_warm(struct task *task, const struct license_keys *keys)
{
	static const uint8_t nothing[LICENSE_KEY_BITS_MAX / 8];

	for (size_t i = 0; i < keys->count; i++) {
		const struct license_key *key = &keys->items[i];
		struct bytes zeros = {nothing, (size_t)EVP_PKEY_get_size(key->pkey)};

		if (key->can_sign)
			TRY(warm_signing(task, key));
		else if (jwt_signature_is_valid(key, "", 0, zeros))
			return refuse_key(task, "A public key takes any signature.");
	}
	return FAIL_NONE;
}

void
license_keys_warm_reader(void)
{
	static const char empty[] =
	        "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";
	BIO *memory = BIO_new_mem_buf(empty, -1);

	EVP_PKEY_free(PEM_read_bio_PrivateKey(memory, NULL, NULL, NULL));
	BIO_free(memory);
	ERR_clear_error();
}
