/* claims.h: a licence's claims, as a struct and as the JSON inside the token. */
#pragma once

#include "base/clock.h"
#include "base/failure.h"
#include "licensing/values.h"

/* The last second of the year 9999; a time beyond is refused. */
#define LICENSE_TIME_MAX ((int64_t)253402300799)

struct license_trial {
	bool is_trial;
	struct instant expires_at; /* of a trial */
};

/* After this many days without news of the vendor, verifiers warn, unless the licence says otherwise. */
enum { LICENSE_WARN_DAYS = 30 };

/* Days without a newer licence or revocation list of the vendor's; 0: without a bound. */
struct license_offline {
	bool given; /* false: verifiers warn after LICENSE_WARN_DAYS, and no licence is stale */
	int64_t warn_days;
	int64_t stale_days; /* the licence counts no more after it */
};

/* The most days of grace that a verifier may be set to. */
struct license_grace {
	bool limited; /* false: the licence sets no bound */
	int64_t max_days;
};

/* The claims. Times in `_s` are whole seconds since 1970; strings belong to whoever made them.
 */
struct license_claims {
	const char *kid; /* of the key that signed it; not a claim */
	const char *issuer;
	const char *customer_id; /* also the subject */
	const char *jti;
	int64_t issued_at_s;
	int64_t expires_at_s;
	int64_t not_before_s; /* only read, never written; 0: none */
	const char *customer_name;
	const char *plan;
	struct license_values features;
	struct license_values limits;
	struct license_trial trial;
	struct license_offline offline;
	struct license_grace grace;
	const char *contract_id; /* NULL: it is of no contract */
	const char *contract_reference;
	struct instant contract_ends_at;
	const char *overage;  /* only written: {limit: factor}, a JSON object; NULL: none */
	const char *instance; /* the only one that it is for; NULL: any */
	const char *status;   /* of the subscription */
	bool no_access;       /* "past_due" alone doesn't tell; else the status does */
	struct instant period_ends_at; /* none: null in the JSON */
};

/* The payload as JSON text, members in the contract's order. */
char *license_claims_write(struct arena *arena, const struct license_claims *claims);

/* Reads a payload without coercion; members that this version doesn't know are ignored.
 * FAIL_INVALID "license_malformed" names the first member that is missing, of a wrong type, out
 * of range, or at odds with its twin (sub and customerId, iat and issuedAt, exp and expiresAt).
 * Strings are copied to the task's arena. */
enum fail license_claims_read(struct task *task, const struct json_view *payload,
                              struct license_claims *out) MUST_CHECK;
