/* encoding.c: bytes as text, and back. */
#include "base/encoding.h"

#include <string.h>

#include "base/arena.h"

char *
hex_encode(struct arena *arena, const void *data, size_t length)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *bytes = data;
	char *out = arena_alloc(arena, 2 * length + 1);

	for (size_t i = 0; i < length; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	return out;
}

char *
base64url_encode(struct arena *arena, const void *data, size_t length)
{
	static const char alphabet[] = BASE64URL;
	const uint8_t *bytes = data;
	char *out = arena_alloc(arena, length / 3 * 4 + 5);
	size_t used = 0;

	for (size_t i = 0; i < length; i += 3) {
		size_t left = length - i;
		uint32_t group = (uint32_t)bytes[i] << 16;

		if (left > 1)
			group |= (uint32_t)bytes[i + 1] << 8;
		if (left > 2)
			group |= bytes[i + 2];
		out[used++] = alphabet[group >> 18];
		out[used++] = alphabet[group >> 12 & 63];
		if (left > 1)
			out[used++] = alphabet[group >> 6 & 63];
		if (left > 2)
			out[used++] = alphabet[group & 63];
	}
	return out;
}

static int
base64url_value(char digit)
{
	if (digit >= 'A' && digit <= 'Z')
		return digit - 'A';
	if (digit >= 'a' && digit <= 'z')
		return digit - 'a' + 26;
	if (digit >= '0' && digit <= '9')
		return digit - '0' + 52;
	if (digit == '-')
		return 62;
	return digit == '_' ? 63 : -1;
}

bool
base64url_decode(struct arena *arena, const char *text, size_t length, struct bytes *out)
{
	uint8_t *data = arena_alloc(arena, length / 4 * 3 + 4);
	uint32_t bits = 0;
	unsigned pending = 0;
	size_t used = 0;

	for (size_t i = 0; i < length; i++) {
		int value = base64url_value(text[i]);

		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t)value;
		pending += 6;
		if (pending >= 8) {
			pending -= 8;
			data[used++] = (uint8_t)(bits >> pending);
		}
	}
	/* One digit alone is no byte. Other leftover bits than zero are a second spelling. */
	if (length % 4 == 1 || (bits & ((1U << pending) - 1)) != 0)
		return false;
	*out = (struct bytes){data, used};
	return true;
}

char *
base64_encode(struct arena *arena, const void *data, size_t length)
{
	char *unpadded = base64url_encode(arena, data, length);
	size_t used = strlen(unpadded);
	char *out = arena_alloc(arena, used + 4);

	for (size_t i = 0; i < used; i++)
		out[i] = unpadded[i] == '-' ? '+' : unpadded[i] == '_' ? '/' : unpadded[i];
	while (used % 4 != 0)
		out[used++] = '=';
	return out;
}
