/* signature.h: checks that a webhook's body comes from Stripe (docs.stripe.com/webhooks,
 * "Verify webhook signatures manually"). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

/* How old, or how far ahead, a signature may be. */
enum { STRIPE_SIGNATURE_TOLERANCE_SECONDS = 300 };

/* NULL when any `v1` of the header fits the raw bytes under any of the secrets (separated by
 * commas) and its time is within the tolerance on either side; else why not, for the log only.
 * Other schemes than v1 never count. Compares in constant time. */
const char *stripe_signature_fault(struct arena *arena, const char *header, const char *body,
                                   size_t length, const char *secrets, int64_t now_ms);
