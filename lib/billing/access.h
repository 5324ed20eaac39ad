/*
 * access.h: the one predicate that decides whether a subscription gives access, and until when.
 *
 * Pure functions of the subscription, the policy and the clock: no job has to run for a trial
 * to end or a grace period to be over.
 */
#pragma once

#include "base/clock.h"
#include "billing/operation.h"
#include "billing/subscriptions.h"

/* The status that counts now: a trial past its end is "canceled", even before a job has
 * recorded that. */
const char *access_status(const struct subscription *subscription, int64_t now_ms);

/* True while the customer may use what it subscribed to: `active`; `trialing` until its end,
 * and a day longer when Stripe runs the trial; `past_due` during the policy's grace days. Every
 * other status, known or not, gives no access. */
bool access_granted(const struct subscription *subscription,
                    const struct billing_policy *policy, int64_t now_ms);

/* True for a running trial. */
bool access_is_trial(const struct subscription *subscription, int64_t now_ms);

/* When the subscription ends as far as that is scheduled: the earlier of `cancel_at` and, if it is
 * canceled at the end of the period, that end. */
struct instant access_scheduled_end(const struct subscription *subscription);

/* When a licence issued now ends. Without access it ends within 24 hours, so that the client
 * fetches another one soon. A trial's licence ends with the trial. None outlives a scheduled end, with the days of grace. INSTANT_NONE when the policy
 * ties licences to the paid period and the end of that is unknown: then none may be issued. */
struct instant access_license_end(const struct subscription *subscription,
                                  const struct billing_policy *policy, int64_t now_ms);
