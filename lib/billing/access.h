/*
 * access.h: the one predicate that decides whether a subscription gives access, and until when.
 *
 * Pure functions of the subscription, the policy and the clock: no job has to run for a trial
 * to end or a grace period to be over.
 */
#pragma once

#include "base/clock.h"
#include "billing/subscriptions.h"
#include "operation/operation.h"

/* When access ends although the subscription goes on at Stripe, and why. */
struct access_end {
	struct instant at;
	const char *
	        reason; /* "paused", "refunded", "disputed", "unknown_price"; NULL: access does not end so */
};

/* A pause in collecting payments, a payment that was taken back, and a price that no plan has; the
 * earliest counts. A pause that is over does not count, even before the event about it has come. */
struct access_end access_early_end(const struct subscription *subscription, int64_t now_ms);

/* The status that counts now: a trial past its end is "canceled", even before a job has
 * recorded that. A contract that is still to begin is "incomplete", and one past its end "canceled".
 * After an early end of access it is "paused", or "unpaid" when a payment was taken
 * back or no plan has the price. */
const char *access_status(const struct subscription *subscription, int64_t now_ms);

/* True while the customer may use what it subscribed to, until access_early_end(): `active`; `trialing`
 * until its end, and a day longer when Stripe runs the trial; `past_due` during the policy's grace days.
 * Every other status, known or not, gives no access. */
bool access_granted(const struct subscription *subscription,
                    const struct billing_policy *policy, int64_t now_ms);

/* True for a running trial. */
bool access_is_trial(const struct subscription *subscription, int64_t now_ms);

/* True while the customer pays for its access: there is access, and no trial runs, also none that Stripe
 * runs. */
bool access_is_paid(const struct subscription *subscription,
                    const struct billing_policy *policy, int64_t now_ms);

/* When access ends as far as that is scheduled: the earliest of `cancel_at`, the end of the period if
 * it is canceled then, the end of a contract, and access_early_end(). */
struct instant access_scheduled_end(const struct subscription *subscription, int64_t now_ms);

/* When access that is granted now ends as far as that is known: the earliest of the scheduled end, the
 * end of a trial, and the end of the grace after a failed payment. */
struct instant access_until(const struct subscription *subscription,
                            const struct billing_policy *policy, int64_t now_ms);

/* When a licence issued now ends. Without access it ends within 24 hours, so that the client fetches
 * another one soon. A trial's licence ends with the trial. None outlives a scheduled end, with the days of
 * grace. Where the policy ties licences to the paid period, it ends soon after the begin of a period whose
 * payment is on its way; INSTANT_NONE when the end of the period is unknown: then none may be issued. */
struct instant access_license_end(const struct subscription *subscription,
                                  const struct billing_policy *policy, int64_t now_ms);
