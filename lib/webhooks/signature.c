/* signature.c: signs a delivery by the Standard Webhooks specification. */
#include "webhooks/signature.h"

#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/random.h"
#include "base/text.h"

struct bytes
webhook_secret_make(struct arena *arena)
{
	uint8_t *secret = arena_alloc(arena, WEBHOOK_SECRET_SIZE);

	random_bytes(secret, WEBHOOK_SECRET_SIZE);
	return (struct bytes){secret, WEBHOOK_SECRET_SIZE};
}

const char *
webhook_secret_text(struct arena *arena, struct bytes secret)
{
	return arena_printf(arena, "whsec_%s",
	                    base64_encode(arena, secret.data, secret.length));
}

static void
add(struct text *list, const char *version, const void *signature, size_t length)
{
	text_printf(list, "%s%s,%s", list->length == 0 ? "" : " ", version,
	            base64_encode(list->arena, signature, length));
}

static const char *
sign(struct arena *arena, const struct webhook_signers *signers, struct bytes signed_text)
{
	struct text list = text_new(arena, 256);

	for (size_t i = 0; i < signers->secret_count; i++) {
		struct sha256 digest = digest_hmac_sha256(signers->secrets[i], &signed_text, 1);

		add(&list, "v1", digest.bytes, sizeof(digest.bytes));
	}
	for (size_t i = 0; i < signers->key_count; i++) {
		struct bytes signature = webhook_key_sign(arena, signers->keys[i], signed_text);

		add(&list, "v1a", signature.data, signature.length);
	}
	return list.data;
}

void
webhook_headers(struct arena *arena, const struct webhook_signers *signers, const char *id,
                int64_t now_ms, const char *body, const char *out[WEBHOOK_HEADERS])
{
	long long now_s = now_ms / SECOND_MS;
	const char *text = arena_printf(arena, "%s.%lld.%s", id, now_s, body);
	struct bytes signed_text = {(const uint8_t *)text, strlen(text)};

	out[0] = "Content-Type: application/json";
	out[1] = arena_printf(arena, "webhook-id: %s", id);
	out[2] = arena_printf(arena, "webhook-timestamp: %lld", now_s);
	out[3] =
	        arena_printf(arena, "webhook-signature: %s", sign(arena, signers, signed_text));
}
