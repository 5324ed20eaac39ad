/* deals.h: takes over subscriptions of the original that are paid elsewhere and have an end: each becomes
 * a contract. */
#pragma once

#include "billing/subscriptions.h"
#include "billingctl-import/import.h"

/* Whether it is active, has no id at Stripe, and its period ends later than now. */
bool import_is_deal(const struct import *import, const struct subscription *subscription);

/* Makes the contract, in the open transaction, unless the customer has a subscription here. */
enum fail import_deal(struct import *import, struct import_count *count, const char *given,
                      const struct subscription *subscription) MUST_CHECK;
