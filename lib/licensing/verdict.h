/*
 * verdict.h: what liblicense concludes of a licence at a point in time. Pure functions.
 */
#ifndef LICENSING_VERDICT_H
#define LICENSING_VERDICT_H

#include "licensing/clock_mark.h"
#include "licensing/license.h"
#include "licensing/verify.h"

/*
 * How far a clock may be behind what it must be at least: one that was set to local time is off
 * by up to 14 hours until NTP has corrected it. Nothing is gained in between, as a licence is
 * judged at the later of both times.
 */
#define VERDICT_CLOCK_TOLERANCE_S ((int64_t)86400)

/* What a number in a plan means "without bound", as older licences have it. */
#define VERDICT_NO_BOUND ((int64_t)999999)

struct verdict_rules {
	int64_t leeway_s;
	int64_t grace_s;
};

/* A licence that was read. */
struct verdict_input {
	bool present;
	enum token_verdict signature; /* of license_verify(); times don't matter */
	struct license_claims claims; /* unless the signature is bad */
	bool revoked;
};

/* `reason` gets the stable code. */
enum license_is verdict_judge(const struct verdict_input *input,
                              const struct verdict_rules *rules, struct clock_mark mark,
                              int64_t now_s, const char **reason);

/* The licence's word counts. */
bool verdict_is_licensed(enum license_is verdict);

/* By the claims, or by the unlicensed defaults when they are NULL. */
bool verdict_allows(const struct license_claims *claims, const char *feature);
int64_t verdict_limit(const struct license_claims *claims, const char *name);

#endif
