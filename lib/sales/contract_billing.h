/* contract_billing.h: brings a contract's subscription at Stripe to what the newest terms say. */
#pragma once

#include "outbox/calls.h"

/* Resolves a call of STRIPE_CONTRACT in the open transaction: looks at what Stripe has, and makes,
 * changes or cancels the subscription. Nothing is made twice: a subscription at Stripe is found by the
 * contract's id in its metadata. */
enum fail stripe_resolve_contract(struct operation *operation,
                                  const struct stripe_call *call) MUST_CHECK;
