/* license_rights.c: revokes the licences that grant more than the customer is entitled to now. */
#include "issuing/license_rights.h"

#include "issuing/license_revocation.h"
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "billing/access.h"
#include "billing/audit.h"
#include "entitlements/overrides.h"
#include "issuing/licenses.h"
#include "plans/plans_terms.h"
#include "json/view.h"

struct unpaid {
	const char *customer_id;
};

/* Licences of one plan with the same features, limits and overage. */
struct grant {
	const char *plan;
	const char *grants; /* NULL: issued when none were stored, of the plan alone */
};

enum { GRANTS, REVOKE_GRANT, UNPAID, ENDED_EARLY };

/* Whether the subscription is the customer's that counts, as license_revoke_excess() judges by. */
#define COUNTS(moment)                                                                         \
	"s.subscription_id = (SELECT c.subscription_id FROM subscriptions c "                  \
	"  WHERE c.customer_id = s.customer_id ORDER BY c.superseded, "                        \
	"  subscription_order(c, " moment "), c.subscription_id DESC LIMIT 1) "

static const struct statement statements[] = {
        /* An expired licence too while its token is kept, as in license_revoke_all(). */
        [GRANTS] = {"license_grants", ROWS_WITH(struct grant, plan, grants),
                    .sql = "SELECT plan, grants::text AS grants FROM licenses "
                           "WHERE customer_id = $1 AND revoked_at IS NULL "
                           "AND (expires_at > $2 OR token IS NOT NULL) "
                           "GROUP BY plan, licenses.grants"},
        [REVOKE_GRANT] =
                {"license_revoke_grant",
                 .sql = "UPDATE licenses SET revoked_at = $2, revoke_reason = $3, token = NULL "
                        "WHERE customer_id = $1 AND revoked_at IS NULL AND plan = $5 "
                        "AND grants IS NOT DISTINCT FROM $6::jsonb "
                        "AND (expires_at > $4 OR token IS NOT NULL) "
                        "AND expires_at > COALESCE($7::timestamptz, '-infinity')"},
        [UNPAID] = {"license_unpaid", ROWS_WITH(struct unpaid, customer_id),
                    .sql = "SELECT s.customer_id FROM subscriptions s "
                           "WHERE s.status = 'past_due' AND NOT s.superseded "
                           "AND COALESCE(s.past_due_since, '-infinity') <= $1 "
                           "AND EXISTS (SELECT FROM licenses l "
                           "  WHERE l.customer_id = s.customer_id AND l.revoked_at IS NULL "
                           "  AND l.expires_at > $2 AND l.issued_at < COALESCE("
                           "    s.past_due_since + make_interval(days => $3::integer), "
                           "    s.updated_at)) "
                           "AND " COUNTS("$2") "ORDER BY s.customer_id LIMIT $4::bigint"},
        [ENDED_EARLY] =
                {"license_ended_early", ROWS_WITH(struct unpaid, customer_id),
                 .sql = "SELECT s.customer_id FROM subscriptions s "
                        "CROSS JOIN LATERAL (SELECT LEAST(s.hold_ends_access_at, "
                        "  s.price_ends_access_at, CASE WHEN s.pause_resumes_at <= "
                        "    GREATEST($1, s.pause_ends_access_at) THEN NULL "
                        "    ELSE s.pause_ends_access_at END) AS at) ends "
                        "WHERE LEAST(s.pause_ends_access_at, s.hold_ends_access_at, "
                        "  s.price_ends_access_at) <= $1 AND ends.at <= $1 "
                        "AND s.status IN ('trialing', 'active', 'past_due') "
                        "AND NOT s.superseded AND EXISTS (SELECT FROM licenses l "
                        "  WHERE l.customer_id = s.customer_id AND l.revoked_at IS NULL "
                        "  AND l.expires_at > $1 AND l.issued_at < ends.at) "
                        "AND " COUNTS("$1") "ORDER BY s.customer_id LIMIT $2::bigint"},
};

const struct statement_list license_right_statements = STATEMENT_LIST(statements);

/* All that a licence grants: its values, and how far use may exceed them. */
struct granted {
	struct entitlement_values values;
	struct json_view overage;
};

/* Reads what a licence has: as stored, else its plan's, as that was when grants began to be stored. False
 * when neither is known. */
static bool
granted(const struct operation *operation, const struct grant *grant, struct granted *out)
{
	struct arena *arena = operation->task->arena;
	struct json_view object, features, limits;
	struct plan_terms terms;
	const char *bad;

	*out = (struct granted){0};
	if (grant->grants == NULL) {
		if (!plans_oldest_terms(arena, &operation->billing->plans, grant->plan, &terms))
			return false;
		out->values = (struct entitlement_values){terms.features, terms.limits};
		return true;
	}
	if (!json_view_try(arena, grant->grants, strlen(grant->grants), &object))
		return false;
	(void)json_view_object(&object, "overage", &out->overage);
	return json_view_object(&object, "features", &features) &&
	       json_view_object(&object, "limits", &limits) &&
	       values_read(&features, VALUE_FEATURE, &out->values.features, &bad) == NULL &&
	       values_read(&limits, VALUE_LIMIT, &out->values.limits, &bad) == NULL;
}

/* Whether one of the factors is greater than it is in `than`. One that is absent there is 1. */
static bool
overage_is_more(const struct json_view *overage, const struct json_view *than)
{
	struct json_view view, other;
	const char *name;

	for (bool more = json_view_first_member(overage, &name, &view); more;
	     more = json_view_next_member(&name, &view)) {
		double factor, bound = 1;

		if (json_view_member(than, name, &other))
			(void)json_view_double(&other, &bound);
		if (json_view_double(&view, &factor) && factor > bound)
			return true;
	}
	return false;
}

/* Revokes the licences of one plan and with the same grants that end after `after`; unknown: all. */
static enum fail
revoke_grant(struct operation *operation, const char *customer_id, const struct grant *grant,
             const char *reason, struct instant after, int64_t *revoked)
{
	struct task *task = operation->task;
	const char *ended = param_in(operation, -LICENSE_LEEWAY_SECONDS * SECOND_MS);

	return db_run(operation->db, task, &statements[REVOKE_GRANT],
	              PARAMETERS(customer_id, param_now(operation), reason, ended, grant->plan,
	                         grant->grants, param_time(task, after)),
	              revoked);
}

/* Rights of a customer from now on, and after its overrides. */
struct bounds {
	const char *plan;
	struct entitlement_values present;
	struct entitlement_values later;
	struct json_view overage;
	struct instant reduced_at; /* unknown: `later` is no less */
	struct instant
	        ends_at; /* of a licence: a trial or a contract may have been shortened */
};

/* When licences end that are issued of a running trial or contract, at the latest; unknown: they depend
 * on neither. */
static struct instant
latest_end(const struct operation *operation, const struct subscription *subscription)
{
	struct instant end =
	        subscription_is_contract(subscription) ? subscription->ends_at : INSTANT_NONE;

	if (access_is_trial(subscription, operation->now_ms))
		return subscription->trial_ends_at;
	end.ms += operation->billing->policy.license_grace_days * DAY_MS;
	return end;
}

static void
read_bounds(const struct operation *operation, const struct entitlement_basis *basis,
            struct bounds *out)
{
	struct entitlement_terms after = basis->terms;
	struct arena *arena = operation->task->arena;
	const struct billing *billing = operation->billing;

	*out = (struct bounds){0};
	after.override_features = NULL;
	if (basis->terms.contract_overage != NULL)
		(void)json_view_try(arena, basis->terms.contract_overage,
		                    strlen(basis->terms.contract_overage), &out->overage);
	out->plan = basis->subscription.plan;
	out->ends_at = latest_end(operation, &basis->subscription);
	out->reduced_at = entitlements_reduced_at(arena, billing, &basis->subscription,
	                                          &basis->terms, operation->now_ms);
	entitlements_values(arena, billing, &basis->subscription, &basis->terms,
	                    operation->now_ms, &out->present);
	entitlements_values(arena, billing, &basis->subscription, &after, operation->now_ms,
	                    &out->later);
}

static const char *
reason_for(const struct bounds *bounds, const struct grant *grant)
{
	return text_equal(grant->plan, bounds->plan) ? "rights_reduced" : "plan_reduced";
}

/* Revokes the licences of the grant that are more than the customer may have: now, when its overrides
 * end, or when its trial or contract ends. */
static enum fail
judge(struct operation *operation, const char *customer_id, const struct bounds *bounds,
      const struct grant *grant, int64_t *revoked)
{
	const char *reason = reason_for(bounds, grant);
	struct instant after = bounds->ends_at;
	struct granted has;

	*revoked = 0;
	if (!granted(operation, grant, &has)) {
		/* A plan that plans.json no longer has is at least the same as itself. */
		if (text_equal(grant->plan, bounds->plan) && grant->grants == NULL)
			return FAIL_NONE;
	} else if (!entitlements_are_more(&has.values, &bounds->present) &&
	           !overage_is_more(&has.overage, &bounds->overage)) {
		if (bounds->reduced_at.known &&
		    entitlements_are_more(&has.values, &bounds->later) &&
		    (!after.known || bounds->reduced_at.ms < after.ms))
			after = bounds->reduced_at;
		if (!after.known)
			return FAIL_NONE;
		return revoke_grant(operation, customer_id, grant, reason, after, revoked);
	}
	return revoke_grant(operation, customer_id, grant, reason, INSTANT_NONE, revoked);
}

static enum fail
revoke_grants(struct operation *operation, const char *customer_id,
              const struct entitlement_basis *basis)
{
	struct task *task = operation->task;
	const char *ended = param_in(operation, -LICENSE_LEEWAY_SECONDS * SECOND_MS);
	const char *reason = NULL;
	const struct grant *grants;
	struct bounds bounds;
	int64_t revoked;
	size_t count;

	TRY(db_rows(operation->db, task, &statements[GRANTS], PARAMETERS(customer_id, ended),
	            (void *)&grants, &count));
	if (count > 0)
		read_bounds(operation, basis, &bounds);
	for (size_t i = 0; i < count; i++) {
		TRY(judge(operation, customer_id, &bounds, &grants[i], &revoked));
		if (revoked > 0)
			reason = reason_for(&bounds, &grants[i]);
	}
	return reason == NULL ? FAIL_NONE
	                      : license_record_revocation(operation, customer_id, reason);
}

enum fail
license_revoke_excess(struct operation *operation, const char *customer_id)
{
	struct entitlement_basis basis = {0};
	int64_t revoked;
	bool found;

	TRY(entitlement_basis_find(operation, customer_id, &basis, &found));
	if (found && basis.subscription.plan != NULL &&
	    access_granted(&basis.subscription, &operation->billing->policy, operation->now_ms))
		return revoke_grants(operation, customer_id, &basis);
	TRY(license_revoke_all(operation, customer_id, "access_ended", &revoked));
	return revoked == 0 ? FAIL_NONE
	                    : license_record_revocation(operation, customer_id, "access_ended");
}

static enum fail
revoke_unpaid(struct operation *operation, const char *customer_id)
{
	TRY(db_begin(operation->db, operation->task));
	TRY(subscription_lock(operation, customer_id));
	TRY(license_revoke_excess(operation, customer_id));
	return db_commit(operation->db, operation->task);
}

/* Revokes the licences of the customers that the statement finds. */
static enum fail
revoke_of(struct operation *operation, const struct statement *statement,
          struct parameters parameters, int64_t *customers)
{
	const struct unpaid *rows;
	size_t count;

	TRY(db_rows(operation->db, operation->task, statement, parameters, (void *)&rows,
	            &count));
	for (size_t i = 0; i < count; i++)
		TRY(revoke_unpaid(operation, rows[i].customer_id));
	*customers = (int64_t)count;
	return FAIL_NONE;
}

enum fail
license_revoke_unpaid(struct operation *operation, int64_t *customers)
{
	struct task *task = operation->task;
	int64_t grace_days = operation->billing->policy.past_due_grace_days;
	const char *most = param_int(task, operation->batch);
	int64_t unpaid, ended;

	TRY(revoke_of(operation, &statements[UNPAID],
	              PARAMETERS(param_in(operation, -grace_days * DAY_MS),
	                         param_now(operation), param_int(task, grace_days), most),
	              &unpaid));
	TRY(revoke_of(operation, &statements[ENDED_EARLY],
	              PARAMETERS(param_now(operation), most), &ended));
	*customers = unpaid + ended;
	return FAIL_NONE;
}
