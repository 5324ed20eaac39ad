/* subscription_audit.h: writes what a sync has changed of a subscription to the audit trail. */
#pragma once

#include "subscriptions/subscriptions.h"

/* Records the subscription before (NULL: it is new) and as it is stored now. */
enum fail subscription_sync_record(struct operation *operation, const char *customer_id,
                                   const struct synced_subscription *before,
                                   const char *stripe_subscription_id,
                                   const char *detail) MUST_CHECK;
