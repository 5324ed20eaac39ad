/* adopt.h: adopts one subscription of Stripe's, and its customer. */
#pragma once

#include "billingctl-import/import.h"
#include "json/view.h"

struct adoption {
	struct import import;
	struct import_count customers;
	struct import_count subscriptions;
	bool links_by_email; /* an address here is enough to be the customer of Stripe's */
};

/* Adopts the subscription of a list of Stripe's that shows its customer as an object: the customer is
 * found or made, and then the subscription is stored as after an event of Stripe's, in one
 * transaction. One that is here already is left to the sync. */
enum fail adopt_subscription(struct adoption *adoption,
                             const struct json_view *object) MUST_CHECK;
