/* scheduled_plans.h: smaller plans and purchases that begin with the next period of a subscription of
 * Stripe's. They are requested of Stripe shortly before. */
#pragma once

#include "billing/purchase.h"
#include "operation/operation.h"

extern const struct statement_list scheduled_plan_statements;

struct scheduled_plan {
	const char *customer_id;
	int64_t subscription_id;
	const char *stripe_subscription_id;
	const char *plan;
	int64_t quantity;             /* 0: none */
	const char *addons;           /* {add-on: quantity} as JSON text; NULL: none */
	struct instant requested_for; /* the end of the period in which it was requested */
	struct instant begins_at; /* that, or the earlier end of a period that became shorter */
};

/* Schedules a plan or purchase for the end of the present period; a NULL plan takes the schedule back.
 * `change` (NULL: none) is that of the quantity and the add-ons. Where the end is unknown, the stored end
 * of the period counts. */
enum fail subscription_schedule(struct operation *operation, const char *stripe_subscription_id,
                                const char *plan, const struct purchase_change *change,
                                struct instant begins_at) MUST_CHECK;

/* Moves the beginning of what is scheduled, unless it was scheduled for another time meanwhile. */
enum fail subscription_move_scheduled(struct operation *operation,
                                      const struct scheduled_plan *due,
                                      struct instant begins_at) MUST_CHECK;

/* Drops a plan that was scheduled before `requested_at`, if the subscription has the plan that
 * was requested then. */
enum fail subscription_drop_scheduled(struct operation *operation,
                                      const char *stripe_subscription_id, const char *plan,
                                      struct instant requested_at) MUST_CHECK;

/* Sets the time before which the scheduled plan is not requested of Stripe. */
enum fail subscription_postpone(struct operation *operation, const char *stripe_subscription_id,
                                struct instant until) MUST_CHECK;

/* Finds the scheduled plan that was to begin before the time, is not postponed and waits longest; `*found`
 * is false without one. It stays due when the next period has begun without it. */
enum fail subscription_scheduled(struct operation *operation, struct instant before,
                                 struct scheduled_plan *out, bool *found) MUST_CHECK;
