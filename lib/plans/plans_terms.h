/* plans_terms.h: a plan's terms (features, limits, bounds of use): as the file has them, as a text that is
 * stored, and as they count for a customer who bought the plan under an older file. */
#pragma once

#include "plans/plans.h"

/* The name under which the trial's terms are stored. */
#define PLANS_TRIAL ""

/* The terms of an add-on are stored under its id behind this character. */
#define PLANS_ADDON '+'

struct plan_terms {
	struct license_values features;
	struct license_values limits;
	struct plan_usage usage;
	struct plan_quantity quantity; /* its metric is the file's */
};

/* Terms that a plan had in an older file, or has in the present one. */
struct sold_terms {
	const char *plan;
	struct instant since;
	bool is_present; /* the file has these */
	struct plan_terms terms;
};

/* The terms of a plan, or of the trial (PLANS_TRIAL), for a subscription that was bought or renewed at
 * that time. They are those of the file. A plan that the file does not have any more has its last ones,
 * and the trial's when none are known. Where reductions wait for the next period, each value is at
 * least that of the terms that were in force at the purchase, if its time is known. */
struct plan_terms plans_terms(struct arena *arena, const struct plans *plans, const char *id,
                              struct instant bought_at);

/* The oldest terms that are stored of a plan, else those of the file; false when there are neither. */
bool plans_oldest_terms(struct arena *arena, const struct plans *plans, const char *id,
                        struct plan_terms *out);

/* Whether the file has the plan, or an older file had it. */
bool plans_are_known(const struct plans *plans, const char *id);

/* Whether a stored text has all that is stored now; that of an earlier version has no quantity. */
bool plans_terms_are_whole(struct arena *arena, const char *text);

/* The terms of the file; false when it does not have the plan or add-on. */
bool plans_present_terms(struct arena *arena, const struct plans *plans, const char *id,
                         struct plan_terms *out);

/* A plan's or the trial's terms as JSON, {"features": ..., "limits": ..., "usage": ..., "quantity": ...}. */
const char *plans_terms_write(struct arena *arena, const struct plans *plans,
                              const struct plan_terms *terms);

/* An add-on as JSON, which plans_terms_read() reads too. */
const char *plans_addon_write(struct arena *arena, const struct plans *plans,
                              const struct plan_addon *addon);

/* Reads the add-on of that text into the table, behind those of the file, unless the file has an add-on
 * or a plan of that id. Values whose names are of something else in the file now are dropped. */
void plans_addon_keep(struct arena *arena, struct plans *plans, const char *id,
                      const char *text);

/* Reads that text. False when it is no such text. */
bool plans_terms_read(struct arena *arena, const struct plans *plans, const char *text,
                      struct plan_terms *out);

/* Whether both allow the same. */
bool plan_terms_equal(struct arena *arena, const struct plans *plans,
                      const struct plan_terms *a, const struct plan_terms *b);

/* Drops the values whose names are of something else in the file now, and names that it does not have
 * beyond the room of a licence. */
void plan_terms_fit(struct arena *arena, const struct plans *plans, struct plan_terms *terms);
