/* key.c: the key pair of webhooks: its files, its signatures, and what it seals. */
#include "webhooks/key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/arena.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/log.h"
#include "licensing/key_folder.h"

enum { ARENA_LIMIT = 256 * 1024, SIGNATURE_SIZE = 64 };

/* Keeps the key of the seals apart from the signatures. */
static const char seal_label[] = "global-billing webhook secrets 1";

static void
require(bool fine)
{
	if (fine)
		return;
	log_line(LOG_LEVEL_ERROR, "OpenSSL failed", LOG_S("operation", "Ed25519"));
	_Exit(EXIT_FAILURE);
}

static void
derive(struct arena *arena, struct webhook_key *key)
{
	struct bytes label = {(const uint8_t *)seal_label, strlen(seal_label)};
	uint8_t public_half[32], seed[WEBHOOK_SEED_SIZE];
	size_t public_length = sizeof(public_half), length = sizeof(seed);
	struct sha256 seal;

	require(EVP_PKEY_get_raw_public_key(key->pair, public_half, &public_length) == 1 &&
	        EVP_PKEY_get_raw_private_key(key->pair, seed, &length) == 1);
	key->public_text = arena_printf(arena, "whpk_%s",
	                                base64_encode(arena, public_half, public_length));
	seal = digest_hmac_sha256((struct bytes){seed, length}, &label, 1);
	memcpy(key->seal, seal.bytes, sizeof(key->seal));
	OPENSSL_cleanse(seed, sizeof(seed));
	OPENSSL_cleanse(&seal, sizeof(seal));
}

static const char *
path_of(struct task *task, const char *dir, const char *name)
{
	return arena_printf(task->arena, "%s/%s", dir, name);
}

static enum fail
load(struct task *task, const char *path, struct arena *arena, struct webhook_key *out)
{
	TRY(key_folder_private(task, path, &out->pair));
	if (EVP_PKEY_get_id(out->pair) != EVP_PKEY_ED25519)
		return task_fail(task, FAIL_INVALID, "key_invalid", "%s is no Ed25519 key.",
		                 path);
	derive(arena, out);
	return FAIL_NONE;
}

static enum fail
load_all(struct task *task, const char *dir, struct webhook_keys *out)
{
	const char *path = path_of(task, dir, WEBHOOK_KEY_FILE);
	const char *old = path_of(task, dir, WEBHOOK_OLD_KEY_FILE);

	if (access(path, F_OK) != 0)
		return task_fail(task, FAIL_NOT_FOUND, "key_missing",
		                 "There is no key of webhooks at %s (run: billingctl webhooks "
		                 "key; or copy the file of the host that has it).",
		                 path);
	TRY(load(task, path, out->arena, &out->current));
	return access(old, F_OK) == 0 ? load(task, old, out->arena, &out->old) : FAIL_NONE;
}

enum fail
webhook_keys_load(struct task *task, const char *dir, struct webhook_keys *out)
{
	enum fail kind;

	*out = (struct webhook_keys){.arena = arena_new(ARENA_LIMIT)};
	kind = load_all(task, dir, out);
	if (kind != FAIL_NONE)
		webhook_keys_release(out);
	return kind;
}

void
webhook_keys_release(struct webhook_keys *keys)
{
	EVP_PKEY_free(keys->current.pair);
	EVP_PKEY_free(keys->old.pair);
	if (keys->arena != NULL)
		arena_free(keys->arena);
	OPENSSL_cleanse(keys, sizeof(*keys));
}

/* The key as PEM text (PKCS#8), in the arena, which wipes it. */
static enum fail
to_pem(struct task *task, EVP_PKEY *pair, const char **out)
{
	BIO *memory = BIO_new(BIO_s_secmem());
	char *data = NULL;
	long length = 0;

	if (memory != NULL &&
	    PEM_write_bio_PKCS8PrivateKey(memory, pair, NULL, NULL, 0, NULL, NULL) == 1)
		length = BIO_get_mem_data(memory, &data);
	if (length > 0)
		*out = arena_copy_bytes(task->arena, data, (size_t)length);
	BIO_free(memory);
	ERR_clear_error();
	if (length <= 0)
		return task_fail(task, FAIL_INTERNAL, "key_generation_failed",
		                 "OpenSSL cannot write the key.");
	return FAIL_NONE;
}

static enum fail
make(struct task *task, const char **pem)
{
	EVP_PKEY *pair = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	enum fail kind;

	if (pair == NULL)
		return task_fail(task, FAIL_INTERNAL, "key_generation_failed",
		                 "OpenSSL cannot make a key.");
	kind = to_pem(task, pair, pem);
	EVP_PKEY_free(pair);
	return kind;
}

enum fail
webhook_key_generate(struct task *task, const char *dir)
{
	const char *pem = "";

	TRY(make(task, &pem));
	return file_write(task, path_of(task, dir, WEBHOOK_KEY_FILE), 0600, pem, strlen(pem),
	                  false);
}

/* A crash between the two steps leaves both files with the same key. */
enum fail
webhook_key_replace(struct task *task, const char *dir)
{
	const char *path = path_of(task, dir, WEBHOOK_KEY_FILE), *pem = "";
	const char *before = "";
	struct webhook_keys keys;
	enum fail kind;

	TRY(webhook_keys_load(task, dir, &keys));
	kind = to_pem(task, keys.current.pair, &before);
	webhook_keys_release(&keys);
	TRY(kind);
	TRY(make(task, &pem));
	TRY(file_write(task, path_of(task, dir, WEBHOOK_OLD_KEY_FILE), 0600, before,
	               strlen(before), true));
	return file_write(task, path, 0600, pem, strlen(pem), true);
}

const struct webhook_key *
webhook_keys_find(const struct webhook_keys *keys, const char *public_text)
{
	if (keys->current.pair != NULL && strcmp(keys->current.public_text, public_text) == 0)
		return &keys->current;
	if (keys->old.pair != NULL && strcmp(keys->old.public_text, public_text) == 0)
		return &keys->old;
	return NULL;
}

struct bytes
webhook_key_seal(struct arena *arena, const struct webhook_key *key, struct bytes secret)
{
	return digest_seal(arena, (struct bytes){key->seal, sizeof(key->seal)}, secret);
}

bool
webhook_key_open(struct arena *arena, const struct webhook_key *key, struct bytes sealed,
                 struct bytes *out)
{
	return digest_open(arena, (struct bytes){key->seal, sizeof(key->seal)}, sealed, out);
}

struct bytes
webhook_key_sign(struct arena *arena, const struct webhook_key *key, struct bytes text)
{
	uint8_t *out = arena_alloc(arena, SIGNATURE_SIZE);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	size_t length = SIGNATURE_SIZE;

	require(context != NULL &&
	        EVP_DigestSignInit_ex(context, NULL, NULL, NULL, NULL, key->pair, NULL) == 1 &&
	        EVP_DigestSign(context, out, &length, text.data, text.length) == 1);
	EVP_MD_CTX_free(context);
	return (struct bytes){out, length};
}
