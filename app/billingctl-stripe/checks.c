/* checks.c: the checks of billingctl doctor that concern Stripe: the account, and what came
 * from it. */
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "billingctl-doctor/doctor.h"
#include "billingctl-stripe/account.h"
#include "billingctl-stripe/request.h"
#include "meters/meters.h"
#include "outbox/account.h"
#include "outbox/call_records.h"
#include "outbox/calls.h"
#include "stripe/version.h"
#include "subscriptions/unknown_prices.h"
#include "sync/events.h"
#include "sync/sweep.h"
#include "json/view.h"

enum { LOOKED_AT = 100 };

#define STRIPE_OWN_API "https://api.stripe.com"

/* billingd compares events every quarter of an hour and subscriptions every night. */
#define EVENTS_LATE_MS (2 * HOUR_MS)
#define SUBSCRIPTIONS_LATE_MS (2 * DAY_MS)

enum fail
check_stripe_key(struct doctor *doctor)
{
	struct ctl *ctl = doctor->ctl;
	const char *base = ctl->settings.stripe_api_base;
	const char *mode = ctl->billing.sales.live ? "LIVE mode" : "TEST mode, no real money";

	TRY(ctl_open_stripe(ctl));
	TRY(request_check_key(ctl));
	if (strcmp(base, STRIPE_OWN_API) != 0)
		return doctor_warn(doctor,
		                   "%s: STRIPE_API_BASE is %s, which isn't Stripe but gets the "
		                   "key (%.7s...) and every request.",
		                   mode, base, ctl->settings.stripe_secret_key);
	return doctor_ok(doctor, "%s at %s", mode, base);
}

static const char *
mode_name(const struct stripe_account *account)
{
	return account->livemode ? "live" : "test";
}

enum fail
check_stripe_account(struct doctor *doctor)
{
	struct ctl *ctl = doctor->ctl;
	struct stripe_account recorded, of_key;

	ctl->operation.deadline_us =
	        clock_monotonic_us() + ctl->settings.stripe_deadline_ms * 1000;
	TRY(stripe_account_recorded(&ctl->operation, &recorded));
	TRY(stripe_account_fetch(&ctl->operation, &of_key));
	if (of_key.account_id == NULL)
		return doctor_warn(doctor,
		                   "The key may not read its account, so a key of another "
		                   "account would not be noticed.");
	if (recorded.account_id == NULL)
		return doctor_ok(doctor, "%s; billingd records it when it runs",
		                 of_key.account_id);
	if (!stripe_account_is(&of_key, &recorded))
		return WRONG(doctor,
		             "The key is of the account %s, %s mode, but the data is of %s, %s "
		             "mode: nothing is sent, compared or ended.",
		             of_key.account_id, mode_name(&of_key), recorded.account_id,
		             mode_name(&recorded));
	return doctor_ok(doctor, "%s", of_key.account_id);
}

/* Accepts "forbidden": a restricted key needs no access to what only `stripe setup` uses. */
static enum fail
allow_forbidden(struct doctor *doctor, enum fail kind)
{
	if (kind != FAIL_FORBIDDEN)
		return kind;
	task_clear(&doctor->ctl->task);
	return doctor_ok(doctor, "not known: the key may not read it");
}

enum fail
check_stripe_webhook(struct doctor *doctor)
{
	struct ctl *ctl = doctor->ctl;
	const char *url = account_webhook_url(ctl);
	struct account_endpoint endpoint;
	enum fail kind;

	if (*ctl->settings.stripe_webhook_secret == '\0')
		return WRONG(doctor, "STRIPE_WEBHOOK_SECRET isn't set: no event is accepted.");
	kind = account_endpoint_find(ctl, url, &endpoint);
	if (kind != FAIL_NONE)
		return allow_forbidden(doctor, kind);
	if (endpoint.id == NULL)
		return WRONG(doctor, "No webhook endpoint of Stripe's sends to %s.", url);
	if (!endpoint.enabled)
		return WRONG(doctor, "The webhook endpoint %s is disabled.", endpoint.id);
	if (!endpoint.version_fits && !stripe_version_is_tested(endpoint.api_version))
		return WRONG(doctor, "The webhook endpoint %s sends in version %s, not %s.",
		             endpoint.id,
		             endpoint.api_version == NULL ? "of the account"
		                                          : endpoint.api_version,
		             ctl->settings.stripe_api_version);
	if (endpoint.lacks != NULL)
		return WRONG(doctor, "The webhook endpoint %s doesn't send %s.", endpoint.id,
		             endpoint.lacks);
	if (!endpoint.version_fits)
		return doctor_warn(
		        doctor,
		        "The webhook endpoint %s sends in version %s and requests "
		        "use %s; both are read. To move it, add the secret of a new "
		        "endpoint to STRIPE_WEBHOOK_SECRET, then delete the old one.",
		        endpoint.id, endpoint.api_version, ctl->settings.stripe_api_version);
	return doctor_ok(doctor, "%s sends to %s", endpoint.id, url);
}

static const char *
on_off(bool value)
{
	return value ? "on" : "off";
}

enum fail
check_stripe_checkout(struct doctor *doctor)
{
	const struct sales_policy *sales = &doctor->ctl->billing.sales;
	const char *version = doctor->ctl->settings.stripe_api_version;

	if (!stripe_version_is_tested(version))
		return doctor_warn(doctor,
		                   "STRIPE_API_VERSION is %s; this service is tested with %s "
		                   "to %s.",
		                   version, STRIPE_VERSION_BASIL, STRIPE_VERSION_NEWEST);
	return doctor_ok(
	        doctor,
	        "version %s, billing mode %s, promotion codes %s, automatic tax %s, tax IDs %s",
	        version, sales->billing_mode == NULL ? "classic" : sales->billing_mode,
	        on_off(sales->promotion_codes), on_off(sales->automatic_tax),
	        on_off(sales->tax_ids));
}

enum fail
check_stripe_portal(struct doctor *doctor)
{
	struct json_view list;
	enum fail kind = request_list(doctor->ctl, "/v1/billing_portal/configurations",
	                              "is_default=true&active=true", &list);

	if (kind != FAIL_NONE)
		return allow_forbidden(doctor, kind);
	return json_view_count(&list) > 0
	               ? doctor_ok(doctor, "its settings are saved")
	               : WRONG(doctor, "The settings of the customer portal were never saved.");
}

enum fail
check_stripe_mode(struct doctor *doctor)
{
	struct ctl *ctl = doctor->ctl;
	const struct stripe_event_row *rows = NULL;
	char last[CLOCK_TEXT_SIZE];
	size_t count = 0;

	TRY(stripe_event_list(&ctl->operation, NULL, LOOKED_AT, &rows, &count));
	for (size_t i = 0; i < count; i++)
		if (text_equal(rows[i].error, "other_mode") &&
		    rows[i].received_at.ms > ctl->operation.now_ms - DAY_MS)
			return WRONG(doctor, "The event %s is of the %s mode, the key isn't.",
			             rows[i].event_id,
			             ctl->billing.sales.live ? "test" : "live");
	if (count == 0)
		return doctor_ok(doctor, "no event yet");
	clock_format(rows[0].received_at.ms, last);
	return doctor_ok(doctor, "the last event came %s", last);
}

enum fail
check_stripe_parked(struct doctor *doctor)
{
	struct operation *operation = &doctor->ctl->operation;
	struct stripe_event_figures events = {0};
	struct stripe_call_figures calls = {0};
	struct meter_figures meters = {0};
	int64_t waiting;

	TRY(stripe_event_figures(operation, &events));
	TRY(stripe_call_figures(operation, &calls));
	TRY(meter_figures(operation, &meters));
	waiting = events.pending + calls.pending + meters.pending;
	if (events.parked + calls.parked + meters.parked > 0)
		return WRONG(doctor, "Given up: events %lld, calls %lld, meter events %lld.",
		             (long long)events.parked, (long long)calls.parked,
		             (long long)meters.parked);
	return doctor_ok(doctor, "nothing; %lld are waiting", (long long)waiting);
}

enum fail
check_stripe_unknown(struct doctor *doctor)
{
	int64_t count, kept;

	TRY(unknown_prices_count(&doctor->ctl->operation, &count));
	TRY(unknown_prices_count_kept(&doctor->ctl->operation, &kept));
	if (count == 0)
		return doctor_ok(doctor, "every price has a plan");
	if (kept >= count)
		return doctor_warn(doctor,
		                   "Subscriptions of customers at a price that no plan has: "
		                   "%lld. They keep the plan that they had.",
		                   (long long)count);
	return WRONG(doctor,
	             "Subscriptions of customers at a price that no plan has: %lld. They are "
	             "paid; %lld keep the plan that they had, the others get nothing for it.",
	             (long long)count, (long long)kept);
}

/* Checks that the comparison is not late; `*text` is when it was last completed. */
static enum fail
check_sweep(struct doctor *doctor, const char *name, int64_t late_ms, const char **text)
{
	struct ctl *ctl = doctor->ctl;
	char at[CLOCK_TEXT_SIZE];
	struct instant last;

	*text = "never yet";
	TRY(stripe_sweep_last(&ctl->operation, name, &last));
	if (!last.known)
		return FAIL_NONE;
	clock_format(last.ms, at);
	*text = arena_copy(ctl->task.arena, at);
	if (last.ms < ctl->operation.now_ms - late_ms)
		return WRONG(doctor, "The %s were last compared with Stripe's %s.", name, at);
	return FAIL_NONE;
}

enum fail
check_stripe_sweeps(struct doctor *doctor)
{
	const char *events, *subscriptions;

	TRY(check_sweep(doctor, "events", EVENTS_LATE_MS, &events));
	TRY(check_sweep(doctor, "subscriptions", SUBSCRIPTIONS_LATE_MS, &subscriptions));
	return doctor_ok(doctor, "events %s, subscriptions %s", events, subscriptions);
}
