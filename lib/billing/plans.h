/*
 * plans.h: what is sold and what each plan allows, read from plans.json.
 */
#ifndef BILLING_PLANS_H
#define BILLING_PLANS_H

#include "base/failure.h"
#include "licensing/claims.h"

enum { PLANS_MAX = 32 };

struct plan {
	const char *id; /* "starter", as stored and on the wire */
	const char *name;
	bool has_price; /* false: on request */
	int64_t amount_minor;
	const char *currency; /* ISO 4217, lower case */
	const char *interval; /* "month" or "year" */
	struct license_features features;
	struct license_limits limits;
};

struct plans {
	int64_t version; /* counts changes of the table; licences of another version are re-issued */
	int64_t trial_days;
	const char *trial_plan; /* the stored plan of a trial */
	struct license_features trial_features;
	struct license_limits trial_limits;
	struct plan items[PLANS_MAX];
	size_t count;
};

/* Reads the file. FAIL_INVALID "plans_invalid" with file, line and reason; what it
 * points to lives in the task's arena. */
enum fail plans_load(struct task *task, const char *path, struct plans *out) MUST_CHECK;

/* The plan, or NULL. */
const struct plan *plans_find(const struct plans *plans, const char *id);

#endif
