/* verdict.h: liblicense's verdict on a licence at a point in time. Pure functions. */
#pragma once

#include "licensing/clock_mark.h"
#include "licensing/license.h"
#include "licensing/verify.h"

/* Seconds that a clock may be behind the earliest possible time: one that was set to local time
 * is off by up to 14 hours until NTP has corrected it. Setting it back gains nothing, as a
 * licence is judged at the later of both times. */
#define VERDICT_CLOCK_TOLERANCE_S ((int64_t)86400)

/* As much or more of what an unlicensed installation has too means "no limit" in older licences. */
#define VERDICT_NO_BOUND ((int64_t)999999)

struct verdict_rules {
	int64_t leeway_s;
	int64_t grace_s;      /* the licence may allow less */
	int64_t floor_s;      /* the present is no earlier; 0: not known */
	const char *instance; /* of this installation; NULL: it has none */
};

/* A licence as it was read. */
struct verdict_input {
	bool present;
	enum token_verdict signature; /* of license_verify(); times are ignored */
	struct license_claims claims; /* unless the signature is bad */
	bool revoked;
	int64_t listed_s; /* when the revocation list was signed; 0: there is none */
};

/* The verdict; `reason` gets its stable code. */
enum license_is verdict_judge(const struct verdict_input *input,
                              const struct verdict_rules *rules, struct clock_mark mark,
                              int64_t now_s, const char **reason);

/* When the vendor last vouched for the licence: when it was issued, or the list was signed that does
 * not name it. */
int64_t verdict_checked_s(const struct verdict_input *input);

/* "license_offline" when that is longer ago than the licence's warnDays, or than
 * LICENSE_WARN_DAYS when it has none; else "". */
const char *verdict_warning(const struct verdict_input *input,
                            const struct verdict_rules *rules, struct clock_mark mark,
                            int64_t now_s);

/* Features and limits are those of the licence. */
bool verdict_is_licensed(enum license_is verdict);

/* By the claims, or by the defaults without a licence when they are NULL. The value of a feature or
 * limit is NULL when there is none of that name. */
const struct license_value *verdict_value(const struct license_claims *claims,
                                          const char *name);
bool verdict_allows(const struct license_claims *claims, const char *feature);
int64_t verdict_limit(const struct license_claims *claims, const char *name);

/* The claims' features and limits as JSON, {"features": {...}, "limits": {...}}. */
const char *verdict_entitlements(struct arena *arena, const struct license_claims *claims);
