/* version.h: the versions of Stripe's API, "2025-03-31.basil", which begin with their date. */
#pragma once

#include <stdbool.h>

/* The newest version that this service is tested with. */
#define STRIPE_VERSION_NEWEST "2026-10-28.endive"
/* The version that moved periods to items and the subscription into an invoice's parent. */
#define STRIPE_VERSION_BASIL "2025-03-31.basil"

/* Whether the version is one of those from STRIPE_VERSION_BASIL to STRIPE_VERSION_NEWEST, whose
 * objects and events are read alike. NULL is none. */
bool stripe_version_is_tested(const char *version);

/* Whether the version knows the parameter `billing_mode` (docs.stripe.com/changelog,
 * 2025-06-30.basil); an older one refuses it. */
bool stripe_version_has_billing_mode(const char *version);

/* Whether a change takes `billing_cycle_anchor` as an object (2026-09-30.endive); older versions
 * take a word. */
bool stripe_version_has_anchor_object(const char *version);
