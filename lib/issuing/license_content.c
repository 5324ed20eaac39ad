/* license_content.c: the claims of a licence, its end, and its fingerprint. */
#include "issuing/license_content.h"

#include <string.h>

#include "base/arena.h"
#include "billing/access.h"
#include "json/out.h"
#include "json/view.h"

/* Without the ends by date. */
enum { FINGERPRINT_PARTS = 7 };

/* The object of factors without blanks; NULL when it is empty or there is none. */
static const char *
overage_of(struct arena *arena, const struct entitlement_terms *terms)
{
	struct json_out json = json_out_new(arena, 64);
	struct json_view object = {0}, factor;
	const char *name;

	if (terms->contract_overage != NULL)
		(void)json_view_try(arena, terms->contract_overage,
		                    strlen(terms->contract_overage), &object);
	if (json_view_count(&object) == 0)
		return NULL;
	json_out_open(&json, NULL, '{');
	for (bool more = json_view_first_member(&object, &name, &factor); more;
	     more = json_view_next_member(&name, &factor))
		json_out_raw(&json, name, json_view_source(&factor));
	json_out_close(&json, '}');
	return json.text.data;
}

static void
set_contract(struct license_claims *claims, struct arena *arena,
             const struct subscription *subscription, const struct entitlement_terms *terms)
{
	claims->contract_id = subscription->contract_id;
	claims->contract_reference = terms->contract_reference;
	claims->contract_ends_at = subscription->ends_at;
	claims->overage = overage_of(arena, terms);
}

struct license_claims
license_claims_of(const struct operation *operation, const struct customer *customer,
                  const struct subscription *subscription,
                  const struct entitlement_terms *terms)
{
	const struct billing_policy *policy = &operation->billing->policy;
	bool trial = access_is_trial(subscription, operation->now_ms);
	struct entitlement_values values;
	struct license_claims claims = {
	        .issuer = policy->issuer,
	        .customer_id = customer->customer_id,
	        .jti = "",
	        .customer_name = customer->company_name != NULL ? customer->company_name
	                                                        : customer->email,
	        .plan = subscription->plan,
	        .trial.is_trial = trial,
	        .status = access_status(subscription, operation->now_ms),
	        .period_ends_at = subscription->current_period_ends_at,
	        .offline = {policy->offline_warn_days != LICENSE_WARN_DAYS ||
	                            policy->offline_stale_days > 0,
	                    policy->offline_warn_days, policy->offline_stale_days},
	        .grace = {policy->max_grace_days < GRACE_DAYS_MAX, policy->max_grace_days},
	};

	claims.no_access = strcmp(claims.status, "past_due") == 0 &&
	                   !access_granted(subscription, policy, operation->now_ms);
	entitlements_values(operation->task->arena, operation->billing, subscription, terms,
	                    operation->now_ms, &values);
	claims.features = values.features;
	claims.limits = values.limits;
	if (subscription_is_contract(subscription))
		set_contract(&claims, operation->task->arena, subscription, terms);
	if (trial) {
		claims.trial.expires_at = subscription->trial_ends_at;
		if (!claims.period_ends_at.known)
			claims.period_ends_at = subscription->trial_ends_at;
	}
	return claims;
}

/* Overrides end a licence that grants more than the customer may have after them. */
static struct instant
reduced_at(const struct operation *operation, const struct subscription *subscription,
           const struct entitlement_terms *terms)
{
	return entitlements_reduced_at(operation->task->arena, operation->billing, subscription,
	                               terms, operation->now_ms);
}

struct instant
license_end(const struct operation *operation, const struct subscription *subscription,
            const struct entitlement_terms *terms)
{
	struct instant end = access_license_end(subscription, &operation->billing->policy,
	                                        operation->now_ms);
	struct instant reduced = reduced_at(operation, subscription, terms);

	return end.known && reduced.known && reduced.ms < end.ms ? reduced : end;
}

struct sha256
license_fingerprint(const struct operation *operation, const struct license_claims *claims,
                    const struct subscription *subscription,
                    const struct entitlement_terms *terms)
{
	struct task *task = operation->task;
	const struct billing_policy *policy = &operation->billing->policy;
	struct instant end = access_scheduled_end(subscription, operation->now_ms);
	struct instant reduced = reduced_at(operation, subscription, terms);
	size_t count = FINGERPRINT_PARTS;
	const char *parts[FINGERPRINT_PARTS + 3] = {
	        license_claims_write(task->arena, claims),
	        license_keys_current(&operation->billing->keys)->kid,
	        access_granted(subscription, policy, operation->now_ms) ? "access" : "none",
	        policy->paid_through ? "paid_through" : "ttl",
	        param_int(task, policy->license_ttl_days),
	        param_int(task, policy->license_grace_days),
	        param_int(task, operation->billing->plans.version),
	};

	if (end.known)
		parts[count++] = param_time(task, end);
	if (reduced.known)
		parts[count++] =
		        arena_printf(task->arena, "reduced %s", param_time(task, reduced));
	if (policy->paid_through && subscription->period_unpaid_from.known)
		parts[count++] =
		        arena_printf(task->arena, "unpaid from %s",
		                     param_time(task, subscription->period_unpaid_from));
	return digest_strings(parts, count);
}

const char *
license_grants(const struct operation *operation, const struct license_claims *claims)
{
	struct json_out json = json_out_new(operation->task->arena, 512);

	json_out_open(&json, NULL, '{');
	values_write(&json, VALUE_FEATURE, &claims->features);
	values_write(&json, VALUE_LIMIT, &claims->limits);
	if (claims->overage != NULL)
		json_out_raw(&json, "overage", claims->overage);
	json_out_close(&json, '}');
	return json.text.data;
}

const char *
license_preview(const struct operation *operation, const struct license_view *view)
{
	struct license_claims claims;
	struct instant end;

	if (view->customer.customer_id == NULL || view->subscription.plan == NULL)
		return NULL;
	end = license_end(operation, &view->subscription, &view->terms);
	if (!end.known)
		return NULL;
	claims = license_claims_of(operation, &view->customer, &view->subscription,
	                           &view->terms);
	claims.jti = "lic_00000000000000000000000000000000";
	claims.issued_at_s = operation->now_ms / SECOND_MS;
	claims.expires_at_s = end.ms / SECOND_MS;
	return license_claims_write(operation->task->arena, &claims);
}
