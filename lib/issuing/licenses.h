/* licenses.h: issues licences, stores them, returns stored ones again and revokes them. */
#pragma once

#include "billing/customers.h"
#include "billing/subscriptions.h"
#include "callers/api_keys.h"
#include "entitlements/entitlements.h"
#include "operation/operation.h"

/* A signed time may be this far off (RFC 8725 leaves it to us); our own clock signs and
 * verifies. */
enum { LICENSE_LEEWAY_SECONDS = 120 };

/* One issued licence. `token` is NULL when it is no longer kept. */
struct issued_license {
	const char *jti;
	const char *kid;
	const char *plan;
	const char *reason; /* "sign_up", "first", "changed", "refreshed", "rotated", "bound" */
	const char *instance_id;  /* the only one that it is for; NULL: any */
	struct bytes fingerprint; /* of all its claims but the times and the jti */
	const char *token;
	const char *grants; /* {features, limits, overage} when it is signed */
	struct instant issued_at;
	struct instant expires_at;
	struct instant revoked_at;
	const char *revoke_reason;
	bool fresh; /* signed just now, not read from the table */
};

/* All that the answer to a request for a licence depends on, read by one statement. Ids are
 * NULL where the row does not exist. */
struct license_view {
	struct api_key key; /* the caller's, when a digest was given */
	struct customer customer;
	struct subscription subscription;
	struct entitlement_terms terms;
	struct issued_license newest;
};

extern const struct statement_list license_statements;

/* Reads the view. `digest` is the caller's key or NULL. */
enum fail license_view_read(struct operation *operation, const struct sha256 *digest,
                            const char *customer_id, struct license_view *out) MUST_CHECK;

/* The customer's licence. The newest one is returned again while its claims are current and it
 * is young (a day, or half of its life if that is shorter). Otherwise a new one is signed and
 * stored. FAIL_NOT_FOUND "customer_not_found", "subscription_not_found"; FAIL_CONFLICT
 * "license_end_unknown" when the policy needs a period end that is not known. */
enum fail license_issue(struct operation *operation, struct license_view *view,
                        struct issued_license *out) MUST_CHECK;

/* A new licence for one instance alone, within the caller's transaction. FAIL_NOT_FOUND and
 * FAIL_CONFLICT as license_issue(). */
enum fail license_issue_bound(struct operation *operation, const char *customer_id,
                              const char *instance_id, struct issued_license *out) MUST_CHECK;

/* license_view_read() and license_issue(), for a caller that is known already. */
enum fail license_current(struct operation *operation, const char *customer_id,
                          struct issued_license *out,
                          struct subscription *subscription) MUST_CHECK;

/* Whether a licence that is issued now ends sooner because the payment of the period is on its way. */
bool license_awaits_payment(const struct operation *operation, const struct license_view *view);

/* The most licences of a customer that may be in use: one for each day of a licence's life, as issued
 * to one that asks every day, and a hundred more, as issued after changes. */
int64_t license_in_use_max(const struct operation *operation);

/* Signs a licence without storing it. `newest` is the time of the customer's newest licence. */
enum fail license_mint(struct operation *operation, const struct customer *customer,
                       const struct subscription *subscription,
                       const struct entitlement_terms *terms, struct instant newest,
                       const char *reason, struct issued_license *out) MUST_CHECK;

/* The claims, as JSON, of a licence that would be issued now, with a jti of zeros; NULL without a
 * subscription, and while the end of the paid period is not known. */
const char *license_preview(const struct operation *operation, const struct license_view *view);

/* Issues a new licence and revokes the older ones; the subscription stays. FAIL_NOT_FOUND;
 * FAIL_LIMITED "too_many_licenses" when the customer had 10 rotations in the last hour. */
enum fail license_rotate(struct operation *operation, const char *customer_id,
                         struct issued_license *out,
                         struct subscription *subscription) MUST_CHECK;
