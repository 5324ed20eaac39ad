/* signature.h: the headers of a delivery by the Standard Webhooks specification. */
#pragma once

#include "webhooks/key.h"

/* The secrets and keys that sign: a second one of each while a change of it goes on. */
struct webhook_signers {
	struct bytes secrets[2];
	size_t secret_count;
	const struct webhook_key *keys[2];
	size_t key_count;
};

/* A new secret of an endpoint, and its form for people: "whsec_" and base64. */
struct bytes webhook_secret_make(struct arena *arena);
const char *webhook_secret_text(struct arena *arena, struct bytes secret);

enum { WEBHOOK_HEADERS = 4 };

/* Content-Type, webhook-id, webhook-timestamp and webhook-signature of a body that is sent at that time.
 * The signed text is "id.timestamp.body". */
void webhook_headers(struct arena *arena, const struct webhook_signers *signers, const char *id,
                     int64_t now_ms, const char *body, const char *out[WEBHOOK_HEADERS]);
