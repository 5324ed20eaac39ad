/* digest.h: SHA-256, HMAC and authenticated encryption. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/encoding.h"

enum { SHA256_SIZE = 32 };

struct sha256 {
	uint8_t bytes[SHA256_SIZE];
};

struct sha256 digest_sha256(const void *data, size_t length);

/* As digest_sha256(), but false where that ends the process: OpenSSL has no memory. */
bool digest_try_sha256(const void *data, size_t length, struct sha256 *out);

/* Hash of several strings, each preceded by its length, so that no two lists collide. */
struct sha256 digest_strings(const char *const *strings, size_t count);

/* HMAC-SHA256 (RFC 2104) of the concatenated parts. */
struct sha256 digest_hmac_sha256(struct bytes key, const struct bytes *parts, size_t count);

/* Equal in constant time. */
bool digest_equal(const struct sha256 *a, const struct sha256 *b);

/* AES-256-GCM under a key derived (HKDF-SHA256, RFC 5869) from `secret` with a fresh salt,
 * which is stored in front. digest_open() is false for another secret or changed bytes. */
struct bytes digest_seal(struct arena *arena, struct bytes secret, struct bytes plain);
bool digest_open(struct arena *arena, struct bytes secret, struct bytes sealed,
                 struct bytes *out);
