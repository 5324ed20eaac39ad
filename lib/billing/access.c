/* access.c: the one predicate that decides whether a subscription gives access, and until
 * when. */
#include "billing/access.h"

#include <string.h>

static bool
has_status(const struct subscription *subscription, const char *status)
{
	return strcmp(subscription->status, status) == 0;
}

/* The first one when both are at one time. */
static struct access_end
earlier_end(struct access_end a, struct access_end b)
{
	return a.at.known && (!b.at.known || a.at.ms <= b.at.ms) ? a : b;
}

/* A pause ends access, unless it is over by the end of the period in which it began, or now. */
static bool
pause_is_over(const struct subscription *subscription, int64_t now_ms)
{
	const struct instant *resumes = &subscription->pause_resumes_at;

	return resumes->known &&
	       (resumes->ms <= now_ms || resumes->ms <= subscription->pause_ends_access_at.ms);
}

struct access_end
access_early_end(const struct subscription *subscription, int64_t now_ms)
{
	const struct access_end hold = {subscription->hold_ends_access_at,
	                                subscription->hold_reason};
	const struct access_end price = {subscription->price_ends_access_at, "unknown_price"};
	const struct access_end pause = {subscription->pause_ends_access_at, "paused"};
	const struct access_end first = earlier_end(hold, price);

	return pause_is_over(subscription, now_ms) ? first : earlier_end(first, pause);
}

/* Whether a contract is still to begin. */
static bool
is_to_begin(const struct subscription *subscription, int64_t now_ms)
{
	return subscription->starts_at.known && now_ms < subscription->starts_at.ms;
}

/* Whether the end of a contract has come. */
static bool
is_over(const struct subscription *subscription, int64_t now_ms)
{
	return subscription->ends_at.known && now_ms >= subscription->ends_at.ms;
}

/* Access has ended early, of a subscription that would give it else. */
static bool
ended_early(const struct subscription *subscription, int64_t now_ms)
{
	struct access_end end = access_early_end(subscription, now_ms);

	return end.at.known && end.at.ms <= now_ms &&
	       (has_status(subscription, "active") || has_status(subscription, "trialing") ||
	        has_status(subscription, "past_due"));
}

bool
access_is_trial(const struct subscription *subscription, int64_t now_ms)
{
	return has_status(subscription, "trialing") &&
	       !subscription_is_contract(subscription) && subscription->trial_ends_at.known &&
	       now_ms < subscription->trial_ends_at.ms && !ended_early(subscription, now_ms);
}

/* Until when a trial that Stripe runs may be over without its event. A contract is one for Stripe until
 * it begins, or longer, when its start was moved and Stripe does not know yet. */
static struct instant
awaited_until(const struct subscription *subscription)
{
	struct instant end = subscription->trial_ends_at;

	if (subscription_is_contract(subscription) && subscription->starts_at.known &&
	    (!end.known || end.ms < subscription->starts_at.ms))
		end = subscription->starts_at;
	end.ms += DAY_MS;
	return end;
}

/* A trial that Stripe runs is over, and the event that says what follows has not come yet. A
 * late event must not lock out a customer who has paid. */
static bool
awaits_stripe(const struct subscription *subscription, int64_t now_ms)
{
	const struct instant until = awaited_until(subscription);

	return has_status(subscription, "trialing") &&
	       subscription->stripe_subscription_id != NULL && until.known &&
	       now_ms < until.ms &&
	       (subscription_is_contract(subscription)
	                ? !is_to_begin(subscription, now_ms)
	                : now_ms >= subscription->trial_ends_at.ms);
}

/* The status of a contract by its dates; NULL: they do not say more than its row. */
static const char *
status_by_dates(const struct subscription *subscription, int64_t now_ms)
{
	if (!subscription_is_contract(subscription) || has_status(subscription, "canceled") ||
	    has_status(subscription, "incomplete_expired"))
		return NULL;
	if (is_over(subscription, now_ms))
		return "canceled";
	if (is_to_begin(subscription, now_ms))
		return "incomplete";
	return NULL;
}

const char *
access_status(const struct subscription *subscription, int64_t now_ms)
{
	const char *by_dates = status_by_dates(subscription, now_ms);

	if (by_dates != NULL)
		return by_dates;
	/* Stripe decides when a trial that it runs is over. */
	if (has_status(subscription, "trialing") && !access_is_trial(subscription, now_ms) &&
	    subscription->stripe_subscription_id == NULL &&
	    !subscription_is_contract(subscription))
		return "canceled";
	if (ended_early(subscription, now_ms))
		return strcmp(access_early_end(subscription, now_ms).reason, "paused") == 0
		               ? "paused"
		               : "unpaid";
	/* Stripe bills a contract from its start on, as after a trial. */
	if (subscription_is_contract(subscription) && has_status(subscription, "trialing"))
		return awaits_stripe(subscription, now_ms) ? "active" : "unpaid";
	return subscription->status;
}

bool
access_granted(const struct subscription *subscription, const struct billing_policy *policy,
               int64_t now_ms)
{
	if (ended_early(subscription, now_ms) || is_to_begin(subscription, now_ms) ||
	    is_over(subscription, now_ms))
		return false;
	if (has_status(subscription, "trialing"))
		return access_is_trial(subscription, now_ms) ||
		       awaits_stripe(subscription, now_ms);
	if (has_status(subscription, "past_due"))
		return subscription->past_due_since.known &&
		       now_ms < subscription->past_due_since.ms +
		                        policy->past_due_grace_days * DAY_MS;
	return has_status(subscription, "active");
}

bool
access_is_paid(const struct subscription *subscription, const struct billing_policy *policy,
               int64_t now_ms)
{
	return access_granted(subscription, policy, now_ms) &&
	       !access_is_trial(subscription, now_ms);
}

static int64_t
earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* When a failed payment ends access, at `past_due_since` and the days of grace. */
static int64_t
grace_end(const struct subscription *subscription, const struct billing_policy *policy)
{
	return subscription->past_due_since.ms + policy->past_due_grace_days * DAY_MS;
}

/* The earlier of the times that are known. */
static struct instant
earliest(struct instant a, struct instant b)
{
	return a.known && (!b.known || a.ms < b.ms) ? a : b;
}

struct instant
access_scheduled_end(const struct subscription *subscription, int64_t now_ms)
{
	struct instant end =
	        earliest(subscription->cancel_at, access_early_end(subscription, now_ms).at);

	end = earliest(end, subscription->ends_at);
	return subscription->cancel_at_period_end
	               ? earliest(end, subscription->current_period_ends_at)
	               : end;
}

struct instant
access_until(const struct subscription *subscription, const struct billing_policy *policy,
             int64_t now_ms)
{
	struct instant end = access_scheduled_end(subscription, now_ms);

	if (access_is_trial(subscription, now_ms))
		return earliest(end, subscription->trial_ends_at);
	if (awaits_stripe(subscription, now_ms))
		return earliest(end, awaited_until(subscription));
	if (has_status(subscription, "past_due"))
		return earliest(end, INSTANT_MS(grace_end(subscription, policy)));
	return end;
}

/* The end with the days of grace; a day from now when that is over, as long as there is access. */
static int64_t
with_grace(struct instant end, const struct billing_policy *policy, int64_t now_ms)
{
	int64_t last_ms = end.ms + policy->license_grace_days * DAY_MS;

	return last_ms <= now_ms ? now_ms + DAY_MS : last_ms;
}

/* Stripe charges a card within an hour of a period's begin, and learns within two weeks whether a direct
 * debit was paid. */
#define CHARGE_MS (3 * HOUR_MS)
#define DEBIT_MS (14 * DAY_MS)

/* Until when a licence lasts whose period began before it is paid: as that of the period before, or as long
 * as a debit may take. */
static int64_t
awaited_end(struct instant unpaid_from, const struct billing_policy *policy, int64_t now_ms)
{
	int64_t grace_ms = with_grace(unpaid_from, policy, now_ms),
	        debit_ms = unpaid_from.ms + DEBIT_MS;

	return now_ms >= unpaid_from.ms + CHARGE_MS && debit_ms > grace_ms ? debit_ms
	                                                                   : grace_ms;
}

/* When a licence ends that follows the paid period. Stripe begins the next one before it is paid. */
static int64_t
paid_end(const struct subscription *subscription, const struct billing_policy *policy,
         int64_t now_ms)
{
	const struct instant unpaid_from = subscription->period_unpaid_from;
	int64_t end_ms = with_grace(subscription->current_period_ends_at, policy, now_ms);

	if (has_status(subscription, "past_due"))
		return earlier(end_ms, grace_end(subscription, policy));
	return unpaid_from.known ? earlier(end_ms, awaited_end(unpaid_from, policy, now_ms))
	                         : end_ms;
}

struct instant
access_license_end(const struct subscription *subscription, const struct billing_policy *policy,
                   int64_t now_ms)
{
	int64_t latest_ms = now_ms + policy->license_ttl_days * DAY_MS;
	struct instant scheduled = access_scheduled_end(subscription, now_ms);

	if (!access_granted(subscription, policy, now_ms))
		return INSTANT_MS(earlier(latest_ms, now_ms + DAY_MS));
	if (policy->paid_through && !access_is_trial(subscription, now_ms) &&
	    !awaits_stripe(subscription, now_ms)) {
		if (!subscription->current_period_ends_at.known)
			return INSTANT_NONE;
		latest_ms = paid_end(subscription, policy, now_ms);
	}
	if (scheduled.known)
		latest_ms = earlier(latest_ms, with_grace(scheduled, policy, now_ms));
	if (access_is_trial(subscription, now_ms))
		return INSTANT_MS(earlier(latest_ms, subscription->trial_ends_at.ms));
	if (awaits_stripe(subscription, now_ms))
		return INSTANT_MS(earlier(latest_ms, now_ms + DAY_MS));
	return INSTANT_MS(latest_ms);
}
