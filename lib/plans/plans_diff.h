/* plans_diff.h: what changes when a plan's terms are replaced by others. */
#pragma once

#include "plans/plans_terms.h"

/* One name whose value changes. */
struct term_change {
	const char *name;
	const char
	        *from; /* as in JSON; "nothing" for an absent feature, "no bound" for a limit */
	const char *to;
	bool gains; /* both, when a text becomes another one */
	bool loses;
};

struct term_changes {
	struct term_change *items;
	size_t count;
	bool gains;
	bool loses;
};

/* All changes: features, limits, then bounds of use. */
struct term_changes plans_changes(struct arena *arena, const struct plans *plans,
                                  const struct plan_terms *from, const struct plan_terms *to);

/* "seats 5 -> 3, sso true -> false"; only those that lose something, if so asked. */
const char *plans_changes_text(struct arena *arena, const struct term_changes *changes,
                               bool losses_only);
