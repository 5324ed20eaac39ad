/* plan_compare.h: compares the requested terms of a subscription with the present ones. */
#pragma once

#include "sales/plan_change.h"

/* The terms by which an item is billed, as Stripe says. */
struct price_terms stripe_item_terms(const struct stripe_item *item);

/* Finds what is bought before and after the change. A plan that is bought once has the quantity that its
 * item has, which is 1 unless the vendor chose another one at Stripe. */
void plan_change_find_purchase(const struct plans *plans, const struct plan_change *change,
                               struct change_terms *out);

/* How the requested terms compare with the present ones. */
struct comparison {
	int plan; /* the requested plan is a greater one (1), the same (0) or a smaller one (-1) */
	int interval; /* likewise longer, the same, or shorter */
	bool more;    /* of something: the quantity, an add-on */
	bool fewer;
};

struct comparison plan_change_compare(const struct billing *billing,
                                      const struct plan_change *change,
                                      const struct change_terms *terms);

/* More begins and is charged now, less with the next period where the policy says so. One request
 * cannot have both, or it would evade the policy: FAIL_CONFLICT "mixed_change". A greater plan always
 * begins now. */
enum fail plan_change_check_mixed(struct operation *operation,
                                  const struct comparison *comparison) MUST_CHECK;

/* Whether the change begins and is charged at once. */
bool plan_change_is_upgrade(const struct comparison *comparison);
