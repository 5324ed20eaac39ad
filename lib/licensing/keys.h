/*
 * keys.h: the RSA keys that sign licences, and their public halves that verify them.
 *
 * A folder of keys holds
 *	private-key.pem      signs (PKCS#8, mode 0600)
 *	public-key.pem       its public half
 *	next-private-key.pem the key that will sign next, published by the database
 *	retired/<kid>.pem    earlier public keys, published while licences by them are valid,
 *	                     behind lines "Retired: <time>" and "Publish-Until: <time>"
 * The only algorithm is RS256 (RFC 7518 section 3.3).
 *
 * A set of keys lives outside of any request's arena, until license_keys_release(). Load it
 * after fork(): processes that inherit a key which has signed already share its blinding
 * factors.
 */
#pragma once

#include <openssl/types.h>

#include "base/clock.h"
#include "base/failure.h"

/* The private key that a rotation has made and that does not sign yet. */
#define LICENSE_KEY_NEXT_FILE "next-private-key.pem"

enum {
	LICENSE_KEY_BITS_MIN = 2048,
	LICENSE_KEY_BITS_MAX = 8192,
	LICENSE_KEYS_MAX = 64,
	LICENSE_KID_LENGTH = 43
};

/* One key. Its strings belong to the set. */
struct license_key {
	EVP_PKEY *pkey;
	EVP_MD_CTX *signer; /* copied for each signature; NULL: verifies only */
	const char *kid;    /* JWK thumbprint (RFC 7638), LICENSE_KID_LENGTH characters */
	const char *n;      /* modulus and exponent as in a JWK (base64url) */
	const char *e;
	const char *public_pem;
	bool can_sign;                /* has a private half */
	bool imported;                /* signed licences of an earlier service */
	struct instant retired_at;    /* none: not retired */
	struct instant publish_until; /* none: without end */
};

/* Keys, newest first. */
struct license_keys {
	struct arena *arena; /* owns everything below */
	struct license_key *items;
	size_t count;
};

/* An empty set. */
void license_keys_init(struct license_keys *keys);

/* Frees the set and wipes its private key. An empty or zeroed set is allowed. */
void license_keys_release(struct license_keys *keys);

/* Adds a key at the end and takes it over, also on failure. FAIL_INVALID "key_invalid" unless
 * it is RSA with 2048 to 8192 bits and an odd exponent of 65537 or more; `name` tells the
 * reader which key is meant. A kid that the set has already is skipped. `out` may be NULL. */
enum fail license_keys_add(struct task *task, struct license_keys *keys, EVP_PKEY *pkey,
                           const char *name, bool can_sign,
                           struct license_key **out) MUST_CHECK;

/* The key with this kid, or NULL. */
const struct license_key *license_keys_find(const struct license_keys *keys, const char *kid);

/* The key that signs, or NULL in a set of public keys. */
const struct license_key *license_keys_signing(const struct license_keys *keys);

/* The key that signs, else the first one: the current key of a host that lacks its private half.
 * The set is not empty. */
const struct license_key *license_keys_current(const struct license_keys *keys);

/* Reads the folder. `want_private` demands the signing key; without it only public keys are
 * read. Retired keys past their Publish-Until are left out. Messages are one sentence with path
 * and cure: FAIL_NOT_FOUND "key_missing", FAIL_FORBIDDEN "key_too_open" (its group or others
 * may use it), FAIL_INVALID "key_invalid", "key_mismatch" (public-key.pem is
 * another key's). The set is empty after a failure. */
enum fail license_keys_load(struct task *task, const char *dir, bool want_private,
                            int64_t now_ms, struct license_keys *out) MUST_CHECK;

/* Makes an RSA-2048 pair in the folder, which is created when it is missing. FAIL_CONFLICT
 * "key_exists" when there is one; FAIL_CONFLICT "keys_busy" while another process changes the
 * keys. A private key without its public-key.pem (an interrupted earlier call) is completed. */
enum fail license_keys_generate(struct task *task, const char *dir) MUST_CHECK;

/* Makes the key that will sign next, as next-private-key.pem, unless it is there already. `out` is
 * the set of this key alone; the folder goes on signing with the old one. */
enum fail license_keys_make_next(struct task *task, const char *dir,
                                 struct license_keys *out) MUST_CHECK;

/* Puts next-private-key.pem into use; the old key goes on being published until
 * `publish_until_ms`. A call that a crash cut short leaves a folder that loads (key_files.c tells
 * how); the next call completes it. FAIL_NOT_FOUND "key_missing" without a next key. */
enum fail license_keys_use_next(struct task *task, const char *dir, int64_t now_ms,
                                int64_t publish_until_ms) MUST_CHECK;

/* Removes a file of the folder, if it is there. */
enum fail license_keys_remove(struct task *task, const char *dir, const char *name) MUST_CHECK;

/* The name of a file that the folder has of a key which is no longer published: its retired public
 * half, or next-private-key.pem if it is this key. `*name` is NULL when there is none. */
enum fail license_keys_leftover(struct task *task, const char *dir, const char *kid,
                                const char **name) MUST_CHECK;

/* The private keys in the folder: the one that signs and the next one, as far as they are there. */
enum fail license_keys_load_private(struct task *task, const char *dir,
                                    struct license_keys *out) MUST_CHECK;

/* A set without an arena of its own: everything is put into `arena`, and released with it, so
 * that license_keys_release() isn't called. For callers whose arena doesn't end the process. */
void license_keys_init_in(struct license_keys *keys, struct arena *arena);

/* Adds what the text holds to a set: all public keys of a PEM text, at least one; or a JWK set
 * as license_keys_from_jwks() has it. What was added before a failure stays. */
enum fail license_keys_add_pem(struct task *task, struct license_keys *keys,
                               const char *pem) MUST_CHECK;
enum fail license_keys_add_jwks(struct task *task, struct license_keys *keys, const char *text,
                                size_t length) MUST_CHECK;

/* Adds the one public key of a PEM text. */
enum fail license_keys_add_public(struct task *task, struct license_keys *keys, const char *pem,
                                  struct license_key **out) MUST_CHECK;

/* The one public key of a PEM text, to verify offline. FAIL_INVALID "key_invalid". */
enum fail license_keys_public_from_pem(struct task *task, const char *pem,
                                       struct license_keys *out) MUST_CHECK;

/* The RSA signature keys of a JWK set (RFC 7517); others are skipped, as is our habit to add
 * kinds. FAIL_INVALID "jwks_invalid", also when a kid isn't the thumbprint of its key. */
enum fail license_keys_from_jwks(struct task *task, const char *text, size_t length,
                                 struct license_keys *out) MUST_CHECK;

/* {"keys":[{"kty":"RSA","use":"sig","alg":"RS256","kid":...,"n":...,"e":...}]} */
char *license_keys_jwks(struct arena *arena, const struct license_keys *keys);

/* RFC 7638 thumbprint of an RSA key, from its JWK members. */
char *license_key_thumbprint(struct arena *arena, const char *n, const char *e);

/* Uses every key once. Call it in each process before the first request: an allocation that
 * fails during OpenSSL's very first signature can break signing for good. FAIL_INVALID
 * "key_invalid" when the private key is damaged. */
enum fail license_keys_warm(struct task *task, const struct license_keys *keys) MUST_CHECK;

/* Makes OpenSSL load what it needs for reading private keys, by an empty one. */
void license_keys_warm_reader(void);
