/* subscription_events.h: the events of a change of the subscription that counts. */
#pragma once

#include "billing/subscriptions.h"
#include "events/log.h"

/* Lists the events of the change in `out`, in order, and returns how many they are. NULL: there was, or is,
 * no subscription. A contract has events of its own. */
enum { SUBSCRIPTION_EVENTS_MAX = 4 };
size_t subscription_events(const struct subscription *before, const struct subscription *after,
                           enum event_type out[SUBSCRIPTION_EVENTS_MAX]);

/* Writes them, with the subscription as it is after the change. */
enum fail subscription_write_events(struct operation *operation, const char *customer_id,
                                    const struct subscription *before,
                                    const struct subscription *after) MUST_CHECK;
