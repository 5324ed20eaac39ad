/*
 * key.h: the service's key pair (Ed25519) of webhooks.
 *
 * Its private half is a file in KEYS_DIR, beside the key that signs licences, and in no database: copies
 * of the database sign nothing. It makes the signatures v1a, and what seals the secrets of endpoints
 * follows from it. Every host that sends webhooks has the same file. After a change of the key the one
 * before stays as a second file: it signs for another day, and opens what it has sealed.
 */
#pragma once

#include <openssl/types.h>

#include "base/encoding.h"
#include "base/failure.h"

#define WEBHOOK_KEY_FILE "webhook-key.pem"
#define WEBHOOK_OLD_KEY_FILE "webhook-key-old.pem"

/* "whpk_" and 32 bytes in base64. */
enum { WEBHOOK_SECRET_SIZE = 32, WEBHOOK_SEED_SIZE = 32 };

struct webhook_key {
	EVP_PKEY *pair;          /* NULL: there is none */
	const char *public_text; /* "whpk_..." */
	uint8_t seal[WEBHOOK_SEED_SIZE];
};

/* The keys of a process, outside of any arena. All zero: none. */
struct webhook_keys {
	struct arena *arena;
	struct webhook_key current;
	struct webhook_key old; /* perhaps */
};

/* Reads the files. FAIL_NOT_FOUND "key_missing" without the current one; else as key_folder_private().
 * Empty after a failure. */
enum fail webhook_keys_load(struct task *task, const char *dir,
                            struct webhook_keys *out) MUST_CHECK;
void webhook_keys_release(struct webhook_keys *keys);

/* Makes the key of a folder that has none; FAIL_CONFLICT "file_exists" otherwise. */
enum fail webhook_key_generate(struct task *task, const char *dir) MUST_CHECK;

/* Makes another key. The one before becomes the second file, which must not be there. */
enum fail webhook_key_replace(struct task *task, const char *dir) MUST_CHECK;

/* The one of the keys that has this public text, or NULL. */
const struct webhook_key *webhook_keys_find(const struct webhook_keys *keys,
                                            const char *public_text);

/* Seals a secret for the database, and opens it; false when another key has sealed it. */
struct bytes webhook_key_seal(struct arena *arena, const struct webhook_key *key,
                              struct bytes secret);
bool webhook_key_open(struct arena *arena, const struct webhook_key *key, struct bytes sealed,
                      struct bytes *out);

/* The Ed25519 signature of the text. */
struct bytes webhook_key_sign(struct arena *arena, const struct webhook_key *key,
                              struct bytes text);
