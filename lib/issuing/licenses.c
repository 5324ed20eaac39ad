/* licenses.c: issues licences, stores them, returns stored ones again and revokes them. */
#include "issuing/licenses.h"

#include <string.h>

#include "base/arena.h"
#include "base/random.h"
#include "base/text.h"
#include "billing/audit.h"
#include "events/log.h"
#include "issuing/license_content.h"
#include "issuing/license_records.h"
#include "issuing/license_revocation.h"
#include "licensing/verify.h"

enum { ISSUE_TRIES = 3 };

enum { IN_USE_MORE = 100 };

/* Licences and rotations of a customer in an hour. */
enum { ISSUED_HOURLY_MAX = 60, ROTATED_HOURLY_MAX = 10 };

/* Whether a licence was stored, and why not. */
struct outcome {
	bool stored;
	int64_t events;
	bool is_full;         /* the customer had too many in the last hour */
	struct instant until; /* when it may have another one, then */
};

extern const char issuing_license_view_sql[];  /* license_view.sql */
extern const char issuing_license_store_sql[]; /* license_store.sql */

enum { VIEW, STORE };

static const struct statement statements[] = {
        [VIEW] = {"license_view",
                  ROWS_WITH(struct license_view, key.key_id, key.customer_id, key.role,
                            key.digest, key.scopes, key.used_today, key.revoked_at,
                            customer.customer_id, customer.email, customer.company_name,
                            subscription.subscription_id, subscription.customer_id,
                            subscription.stripe_subscription_id, subscription.plan,
                            subscription.status, subscription.trial_ends_at,
                            subscription.current_period_ends_at, subscription.past_due_since,
                            subscription.period_unpaid_from, subscription.cancel_at_period_end,
                            subscription.cancel_at, subscription.pause_resumes_at,
                            subscription.pause_ends_access_at, subscription.hold_reason,
                            subscription.hold_ends_access_at, subscription.price_ends_access_at,
                            subscription.bought_at, subscription.quantity, subscription.addons,
                            subscription.contract_id, subscription.starts_at,
                            subscription.ends_at, subscription.version, terms.contract,
                            terms.overrides, newest.jti, newest.fingerprint, newest.token,
                            newest.issued_at, newest.expires_at),
                  .sql = issuing_license_view_sql},
        [STORE] = {"license_store", ROWS_WITH(struct outcome, stored, events, is_full, until),
                   .sql = issuing_license_store_sql},
        /* An expired licence too while its token is kept, which has the customer's name. */
};

const struct statement_list license_statements = STATEMENT_LIST(statements);

static enum fail
fail_busy(struct task *task)
{
	return task_fail(task, FAIL_UNAVAILABLE, "busy",
	                 "The subscription is changing at this moment; try again.");
}

enum fail
license_view_read(struct operation *operation, const struct sha256 *digest,
                  const char *customer_id, struct license_view *out)
{
	struct task *task = operation->task;
	bool found;

	TRY(db_row(operation->db, task, &statements[VIEW],
	           PARAMETERS(digest == NULL ? NULL : param_digest(task, digest), customer_id,
	                      param_now(operation)),
	           out, &found));
	entitlement_terms_unpack(task->arena, &out->terms);
	return FAIL_NONE;
}

/* The time of issue. It is not before that of the customer's newest licence, so that an entry of
 * the revocation list for older licences never revokes a newer one, whatever the clocks of several
 * hosts say. */
static int64_t
issue_time(int64_t now_ms, struct instant newest)
{
	return newest.known && newest.ms > now_ms &&
	                       newest.ms - now_ms <= LICENSE_LEEWAY_SECONDS * SECOND_MS
	               ? newest.ms
	               : now_ms;
}

/* Refuses while this host lacks the signing key or the end of the paid period is unknown. */
static enum fail
check_mintable(struct task *task, const struct license_key *key, struct instant end)
{
	if (key == NULL)
		return task_fail(
		        task, FAIL_UNAVAILABLE, "service_unavailable",
		        "This host lacks the signing key at the moment; try again soon.");
	if (!end.known)
		return task_fail(
		        task, FAIL_CONFLICT, "license_end_unknown",
		        "The end of the paid period is not known yet, so no licence can be "
		        "issued.");
	return FAIL_NONE;
}

/* As license_mint(), but bound to the instance unless that is NULL. */
static enum fail
mint(struct operation *operation, const struct customer *customer,
     const struct subscription *subscription, const struct entitlement_terms *terms,
     struct instant newest, const char *reason, const char *instance_id,
     struct issued_license *out)
{
	struct arena *arena = operation->task->arena;
	const struct license_key *key = license_keys_signing(&operation->billing->keys);
	struct license_claims claims =
	        license_claims_of(operation, customer, subscription, terms);
	struct sha256 *fingerprint = arena_alloc(arena, sizeof(*fingerprint));
	struct instant end = license_end(operation, subscription, terms);
	int64_t issued_ms = issue_time(operation->now_ms, newest);
	char *token;

	TRY(check_mintable(operation->task, key, end));
	claims.instance = instance_id;
	*fingerprint = license_fingerprint(operation, &claims, subscription, terms);
	claims.jti = random_id(arena, "lic_", 16);
	claims.issued_at_s = issued_ms / SECOND_MS;
	claims.expires_at_s = end.ms / SECOND_MS;
	TRY(license_sign(operation->task, key, &claims, &token));
	*out = (struct issued_license){
	        .jti = claims.jti,
	        .kid = key->kid,
	        .plan = claims.plan,
	        .reason = reason,
	        .fingerprint = {fingerprint->bytes, sizeof(fingerprint->bytes)},
	        .token = token,
	        .grants = license_grants(operation, &claims),
	        .issued_at = INSTANT_MS(issued_ms),
	        .expires_at = INSTANT_MS(claims.expires_at_s * SECOND_MS),
	        .instance_id = instance_id,
	        .fresh = true,
	};
	return FAIL_NONE;
}

enum fail
license_mint(struct operation *operation, const struct customer *customer,
             const struct subscription *subscription, const struct entitlement_terms *terms,
             struct instant newest, const char *reason, struct issued_license *out)
{
	return mint(operation, customer, subscription, terms, newest, reason, NULL, out);
}

bool
license_awaits_payment(const struct operation *operation, const struct license_view *view)
{
	struct subscription paid = view->subscription;

	paid.period_unpaid_from = INSTANT_NONE;
	return license_end(operation, &view->subscription, &view->terms).ms <
	       license_end(operation, &paid, &view->terms).ms;
}

int64_t
license_in_use_max(const struct operation *operation)
{
	return operation->billing->policy.license_ttl_days + IN_USE_MORE;
}

static enum fail
fail_too_many(struct task *task, int64_t wait_ms)
{
	enum fail kind = task_fail(task, FAIL_LIMITED, "too_many_licenses",
	                           "This customer had too many licences in the last hour.");

	task->failure.retry_after_s = wait_ms > 0 ? wait_ms / SECOND_MS + 1 : 1;
	return kind;
}

/* Stores the licence unless the subscription has changed since it was read. */
static enum fail
store(struct operation *operation, const struct subscription *subscription,
      const struct issued_license *license, bool *stored)
{
	struct task *task = operation->task;
	bool rotated = strcmp(license->reason, "rotated") == 0;
	struct outcome outcome;
	bool found;

	TRY(db_row(
	        operation->db, task, &statements[STORE],
	        PARAMETERS(
	                param_int(task, subscription->subscription_id),
	                param_int(task, subscription->version), license->jti, license->kid,
	                license->plan, license->reason, param_bytes(task, license->fingerprint),
	                license->token, param_time(task, license->issued_at),
	                param_time(task, license->expires_at),
	                param_int(task, license_in_use_max(operation)),
	                param_int(task, ISSUED_HOURLY_MAX), param_int(task, ROTATED_HOURLY_MAX),
	                license->grants, license->instance_id,
	                event_type_name(rotated ? EVENT_LICENSE_ROTATED : EVENT_LICENSE_ISSUED),
	                license_row_text(task->arena, license)),
	        &outcome, &found));
	*stored = outcome.stored;
	return outcome.is_full ? fail_too_many(task, outcome.until.ms - operation->now_ms)
	                       : FAIL_NONE;
}

static bool
same_bytes(struct bytes a, const struct sha256 *b)
{
	return a.length == sizeof(b->bytes) && memcmp(a.data, b->bytes, a.length) == 0;
}

/* Whether the licence is young enough to be issued again. One from the future is not: a clock
 * that was set back would make it young for ever. */
static bool
is_young(const struct issued_license *license, int64_t now_ms)
{
	int64_t life = license->expires_at.ms - license->issued_at.ms;
	int64_t age = now_ms - license->issued_at.ms;
	int64_t limit = life / 2 < DAY_MS ? life / 2 : DAY_MS;

	return age >= -LICENSE_LEEWAY_SECONDS * SECOND_MS && age < limit;
}

/* Whether the newest licence can be issued again; if not, `reason` says why a new one is
 * due. */
static bool
is_kept(const struct operation *operation, const struct license_view *view, const char **reason)
{
	const struct license_claims claims = license_claims_of(
	        operation, &view->customer, &view->subscription, &view->terms);
	const struct sha256 fingerprint =
	        license_fingerprint(operation, &claims, &view->subscription, &view->terms);

	if (view->newest.jti == NULL)
		*reason = "first";
	else if (!same_bytes(view->newest.fingerprint, &fingerprint))
		*reason = "changed";
	else
		*reason = "refreshed";
	return strcmp(*reason, "refreshed") == 0 && view->newest.token != NULL &&
	       is_young(&view->newest, operation->now_ms);
}

enum fail
license_issue(struct operation *operation, struct license_view *view,
              struct issued_license *out)
{
	for (int tries = 0; tries < ISSUE_TRIES; tries++) {
		const char *reason;
		bool stored;

		if (view->customer.customer_id == NULL)
			return fail_customer_not_found(operation->task);
		if (view->subscription.plan == NULL)
			return fail_subscription_not_found(operation->task);
		if (is_kept(operation, view, &reason)) {
			*out = view->newest;
			return FAIL_NONE;
		}
		if (operation->before_signing != NULL)
			TRY(operation->before_signing(operation->signing_context));
		TRY(license_mint(operation, &view->customer, &view->subscription, &view->terms,
		                 view->newest.issued_at, reason, out));
		TRY(store(operation, &view->subscription, out, &stored));
		if (stored)
			return FAIL_NONE;
		TRY(license_view_read(operation, NULL, view->customer.customer_id, view));
	}
	return fail_busy(operation->task);
}

enum fail
license_issue_bound(struct operation *operation, const char *customer_id,
                    const char *instance_id, struct issued_license *out)
{
	struct license_view view = {0};
	bool stored;

	TRY(license_view_read(operation, NULL, customer_id, &view));
	if (view.customer.customer_id == NULL)
		return fail_customer_not_found(operation->task);
	if (view.subscription.plan == NULL)
		return fail_subscription_not_found(operation->task);
	TRY(mint(operation, &view.customer, &view.subscription, &view.terms,
	         view.newest.issued_at, "bound", instance_id, out));
	TRY(store(operation, &view.subscription, out, &stored));
	return stored ? FAIL_NONE : fail_busy(operation->task);
}

enum fail
license_current(struct operation *operation, const char *customer_id,
                struct issued_license *out, struct subscription *subscription)
{
	struct license_view view = {0};

	TRY(license_view_read(operation, NULL, customer_id, &view));
	TRY(license_issue(operation, &view, out));
	*subscription = view.subscription;
	return FAIL_NONE;
}

enum fail
license_rotate(struct operation *operation, const char *customer_id, struct issued_license *out,
               struct subscription *subscription)
{
	struct license_view view = {0};
	struct license_revocation revoked = {0};
	bool stored;

	TRY(db_begin(operation->db, operation->task));
	TRY(subscription_lock(operation, customer_id));
	TRY(license_view_read(operation, NULL, customer_id, &view));
	if (view.customer.customer_id == NULL)
		return fail_customer_not_found(operation->task);
	if (view.subscription.plan == NULL)
		return fail_subscription_not_found(operation->task);
	TRY(license_revoke_all(operation, customer_id, "rotated", NULL));
	TRY(license_mint(operation, &view.customer, &view.subscription, &view.terms,
	                 view.newest.issued_at, "rotated", out));
	TRY(store(operation, &view.subscription, out, &stored));
	if (!stored)
		return fail_busy(operation->task);
	TRY(license_revocation_find(operation, customer_id, &revoked));
	/* The licences of an hour are bounded, and so the changes of the day need not be. */
	TRY(audit_record_values(operation, "license_rotate", customer_id, out->jti, NULL,
	                        revoked.before, revoked.after));
	*subscription = view.subscription;
	return db_commit(operation->db, operation->task);
}
