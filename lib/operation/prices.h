/* prices.h: Stripe's prices of the plans, add-ons and meters that this service sells. */
#pragma once

#include <stddef.h>

#include "base/failure.h"

struct billing;
struct plans;

enum { PRICES_MAX = 96 };

/* One of Stripe's prices. Prices at the same position of two plans, or of a plan and a meter,
 * bill in the same interval: the first ones monthly, say, the second ones yearly. */
struct price {
	const char *price_id;
	const char *sells; /* the plan, the add-on, or the meter whose use it bills */
	size_t position;   /* among the prices that sell the same */
};

struct price_list {
	struct price items[PRICES_MAX];
	size_t count;
};

/* Adds a setting's "plan:price_id,..." and "addon:price_id,..." to the prices of plans and of
 * add-ons. FAIL_INVALID "invalid_setting" with a sentence that begins with `setting`: no such plan
 * or add-on, a price twice, too many. */
enum fail prices_add_plans(struct task *task, struct billing *billing, const char *setting,
                           const char *value) MUST_CHECK;

/* Adds a setting's "price_id,..." of one plan, by the same rules. The plan's prices may be
 * known already: FAIL_INVALID when they are not the same. */
enum fail prices_add_plan(struct task *task, struct billing *billing, const char *setting,
                          const char *plan, const char *value) MUST_CHECK;

/* Adds a setting's "meter:price_id,..." to the meters' prices, by the same rules; each meter is
 * one that a plan names. */
enum fail prices_add_meters(struct task *task, struct billing *billing, const char *setting,
                            const char *value) MUST_CHECK;

/* The price with this id, or NULL. */
const struct price *price_list_find(const struct price_list *list, const char *price_id);

/* The price that sells the plan or meter at the position, else its first one; NULL when it has
 * none. */
const struct price *price_list_for(const struct price_list *list, const char *sold,
                                   size_t position);

/* How a price is billed, as PLANS_FILE says. */
struct price_terms {
	const char *interval;   /* NULL: any */
	int64_t interval_count; /* 0: any, preferably one */
	const char *currency;   /* NULL: any */
};

/* The terms of a price of a plan or add-on; all are unknown (NULL, 0) when PLANS_FILE does not list
 * the price. */
struct price_terms price_terms_of(const struct plans *plans, const struct price *price);

/* Whether known terms of a price are the wanted ones. */
bool price_terms_match(const struct price_terms *terms, const struct price_terms *wanted);

/* The price that sells the plan or add-on by these terms, as PLANS_FILE lists its prices: the one at
 * the position `near` if it is such a price, else the first; NULL when there is none. */
const struct price *price_list_for_terms(const struct price_list *list,
                                         const struct plans *plans, const char *sold,
                                         const struct price_terms *terms, size_t near);
