/*
 * signature.c: checks the Stripe-Signature header against the raw body.
 *
 * Reads "t=1492774577,v1=<64 hex>,v0=<64 hex>" as the official SDK does: no blanks, lower-case
 * hex, the last `t` counts, every `v1` is tried.
 */
#include "stripe/signature.h"

#include <string.h>

#include <openssl/crypto.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/text.h"

enum { HEX_SIZE = 2 * SHA256_SIZE };

/* The value of a "name=value" of `length` bytes; NULL when the name is another. */
static const char *
value_of(const char *pair, size_t length, const char *name, size_t *value_length)
{
	size_t prefix = strlen(name) + 1;

	if (length < prefix || pair[prefix - 1] != '=' || strncmp(pair, name, prefix - 1) != 0)
		return NULL;
	*value_length = length - prefix;
	return pair + prefix;
}

/* Moves over the header's pairs; false at the end. */
static bool
next_pair(const char **cursor, const char **pair, size_t *length)
{
	if (**cursor == '\0')
		return false;
	*pair = *cursor;
	*length = strcspn(*cursor, ",");
	*cursor += *length;
	if (**cursor == ',')
		(*cursor)++;
	return true;
}

/* The last `t` as it was signed; NULL without one. */
static const char *
signed_time(struct arena *arena, const char *header)
{
	const char *pair, *value, *time = NULL;
	size_t length, value_length;

	while (next_pair(&header, &pair, &length)) {
		value = value_of(pair, length, "t", &value_length);
		if (value != NULL)
			time = arena_copy_bytes(arena, value, value_length);
	}
	return time;
}

/* Whether any `v1` of the header is this one. `*any`: there is a `v1`. */
static bool
has_signature(const char *header, const char expected[static HEX_SIZE], bool *any)
{
	const char *pair, *value;
	size_t length, value_length;
	bool found = false;

	while (next_pair(&header, &pair, &length)) {
		value = value_of(pair, length, "v1", &value_length);
		*any = *any || value != NULL;
		if (value != NULL && value_length == HEX_SIZE)
			found |= CRYPTO_memcmp(value, expected, HEX_SIZE) == 0;
	}
	return found;
}

/* Whether any of the secrets makes any `v1`; `*why` not. */
static bool
is_signed(struct arena *arena, const char *header, const struct bytes parts[static 3],
          const char *secrets, const char **why)
{
	const char *secret;
	size_t length;
	bool any = false, found = false;

	*why = "no webhook secret is set";
	while (text_next_item(&secrets, &secret, &length)) {
		struct sha256 digest = digest_hmac_sha256(
		        (struct bytes){(const uint8_t *)secret, length}, parts, 3);

		found |= has_signature(header, hex_encode(arena, digest.bytes, SHA256_SIZE),
		                       &any);
		*why = any ? "no signature fits" : "no v1 signature in the header";
	}
	return found;
}

static const char *
time_fault(struct arena *arena, int64_t signed_at_s, int64_t now_ms)
{
	int64_t age_s = now_ms / SECOND_MS - signed_at_s;

	if (age_s > STRIPE_SIGNATURE_TOLERANCE_SECONDS)
		return arena_printf(arena, "signed %lld s ago", (long long)age_s);
	if (age_s < -STRIPE_SIGNATURE_TOLERANCE_SECONDS)
		return arena_printf(arena, "signed %lld s ahead of our clock",
		                    -(long long)age_s);
	return NULL;
}

const char *
stripe_signature_fault(struct arena *arena, const char *header, const char *body, size_t length,
                       const char *secrets, int64_t now_ms)
{
	struct bytes parts[3] = {{NULL, 0}, {(const uint8_t *)".", 1}, {NULL, 0}};
	int64_t signed_at_s;
	const char *time, *why;

	if (header == NULL || *header == '\0')
		return "no Stripe-Signature header";
	if (body == NULL || length == 0)
		return "no body";
	time = signed_time(arena, header);
	if (time == NULL || !text_parse_int(time, &signed_at_s) || signed_at_s < 0)
		return "no time in the header";
	parts[0] = (struct bytes){(const uint8_t *)time, strlen(time)};
	parts[2] = (struct bytes){(const uint8_t *)body, length};
	/* Only a signed time can be trusted. */
	if (!is_signed(arena, header, parts, secrets ? secrets : "", &why))
		return why;
	return time_fault(arena, signed_at_s, now_ms);
}
