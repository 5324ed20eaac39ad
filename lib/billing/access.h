/*
 * access.h: the one predicate that decides whether a subscription gives access, and until when.
 *
 * Pure functions of the subscription, the policy and the clock: no job has to run for a trial to
 * end or a grace period to be over.
 */
#ifndef BILLING_ACCESS_H
#define BILLING_ACCESS_H

#include "base/clock.h"
#include "billing/operation.h"
#include "billing/subscriptions.h"

/* The status that counts now: a trial past its end is "canceled", whether or not a job has noted
 * it yet. */
const char *access_status(const struct subscription *subscription, int64_t now_ms);

/* True while the customer may use what it subscribed to. `trialing` before its end (one that Stripe
 * runs a day longer, until Stripe has said what follows) and `active` yes; `past_due` during the policy's grace days; every other status, known or not, no. */
bool access_granted(const struct subscription *subscription,
                    const struct billing_policy *policy, int64_t now_ms);

/* True for a running trial. */
bool access_is_trial(const struct subscription *subscription, int64_t now_ms);

/*
 * When a licence issued now ends (milliseconds). Without access at most 24 h ahead, so that it is
 * asked for again soon; a trial's never outlives the trial. INSTANT_NONE when the policy ties
 * licences to the paid period and the period's end is unknown: then none may be minted.
 */
struct instant access_license_end(const struct subscription *subscription,
                                  const struct billing_policy *policy, int64_t now_ms);

#endif
