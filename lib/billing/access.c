/* access.c: the one predicate that decides whether a subscription gives access, and until
 * when. */
#include "billing/access.h"

#include <string.h>

static bool
has_status(const struct subscription *subscription, const char *status)
{
	return strcmp(subscription->status, status) == 0;
}

bool
access_is_trial(const struct subscription *subscription, int64_t now_ms)
{
	return has_status(subscription, "trialing") && subscription->trial_ends_at.known &&
	       now_ms < subscription->trial_ends_at.ms;
}

/* A trial that Stripe runs is over, and the event that says what follows has not come yet. A
 * late event must not lock out a customer who has paid. */
static bool
awaits_stripe(const struct subscription *subscription, int64_t now_ms)
{
	return has_status(subscription, "trialing") &&
	       subscription->stripe_subscription_id != NULL &&
	       subscription->trial_ends_at.known && now_ms >= subscription->trial_ends_at.ms &&
	       now_ms < subscription->trial_ends_at.ms + DAY_MS;
}

const char *
access_status(const struct subscription *subscription, int64_t now_ms)
{
	/* Stripe decides when a trial that it runs is over. */
	if (has_status(subscription, "trialing") && !access_is_trial(subscription, now_ms) &&
	    subscription->stripe_subscription_id == NULL)
		return "canceled";
	return subscription->status;
}

bool
access_granted(const struct subscription *subscription, const struct billing_policy *policy,
               int64_t now_ms)
{
	if (has_status(subscription, "trialing"))
		return access_is_trial(subscription, now_ms) ||
		       awaits_stripe(subscription, now_ms);
	if (has_status(subscription, "past_due"))
		return subscription->past_due_since.known &&
		       now_ms < subscription->past_due_since.ms +
		                        policy->past_due_grace_days * DAY_MS;
	return has_status(subscription, "active");
}

static int64_t
earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

struct instant
access_license_end(const struct subscription *subscription, const struct billing_policy *policy,
                   int64_t now_ms)
{
	int64_t by_ttl = now_ms + policy->license_ttl_days * DAY_MS;
	const struct instant *paid = &subscription->current_period_ends_at;

	if (!access_granted(subscription, policy, now_ms))
		return INSTANT_MS(earlier(by_ttl, now_ms + DAY_MS));
	if (access_is_trial(subscription, now_ms))
		return INSTANT_MS(earlier(by_ttl, subscription->trial_ends_at.ms));
	if (awaits_stripe(subscription, now_ms))
		return INSTANT_MS(earlier(by_ttl, now_ms + DAY_MS));
	if (!policy->paid_through)
		return INSTANT_MS(by_ttl);
	if (!paid->known)
		return INSTANT_NONE;
	/* An unpaid period that is over keeps its licence for as long as access is granted. */
	if (paid->ms + policy->license_grace_days * DAY_MS <= now_ms)
		return INSTANT_MS(now_ms + DAY_MS);
	return INSTANT_MS(paid->ms + policy->license_grace_days * DAY_MS);
}
