/* encoding.h: bytes, and their forms as text. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

/* Bytes with their length, in an arena. */
struct bytes {
	const uint8_t *data;
	size_t length;
};

/* Lower-case hex. */
char *hex_encode(struct arena *arena, const void *data, size_t length);

#define BASE64URL "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

/* Base64url without padding (RFC 4648 section 5). */
char *base64url_encode(struct arena *arena, const void *data, size_t length);

/* The strict inverse: no padding, no blanks, no other alphabet, unused bits zero. */
bool base64url_decode(struct arena *arena, const char *text, size_t length, struct bytes *out);

/* Base64 with padding (RFC 4648 section 4). */
char *base64_encode(struct arena *arena, const void *data, size_t length);
