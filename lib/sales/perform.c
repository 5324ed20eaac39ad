/* perform.c: performs a recorded call within the request that wants it, while its customer is
 * locked. */
#include "sales/perform.h"

#include "outbox/locks.h"

/* Storing the outcome may take so long after the deadline of the call itself. */
#define STORE_MS (60 * SECOND_MS)

enum fail
call_prepare(struct operation *operation, const struct stripe_call *wanted,
             struct stripe_call *out)
{
	return stripe_call_write(operation, wanted,
	                         operation->billing->sales.deadline_ms + STORE_MS, out);
}

enum fail
customer_lock_as_seen(struct operation *operation, const char *customer_id,
                      const struct subscription *seen)
{
	const struct subscription *now;

	TRY(stripe_lock_customer(operation, customer_id));
	if (seen == NULL)
		return FAIL_NONE;
	TRY(subscription_newest(operation, customer_id, &now));
	if (now != NULL && now->subscription_id == seen->subscription_id &&
	    now->version == seen->version)
		return FAIL_NONE;
	return fail_in_progress(operation->task, false,
	                        "The subscription has changed at this moment; try again.");
}

enum fail
call_perform(struct operation *operation, const struct stripe_call *call,
             const struct subscription *seen,
             enum fail (*act)(struct operation *operation, const struct stripe_call *call,
                              void *context),
             void *context)
{
	enum fail kind;

	TRY(db_begin(operation->db, operation->task));
	kind = customer_lock_as_seen(operation, call->customer_id, seen);
	if (kind == FAIL_NONE)
		kind = stripe_call_hold(operation, call);
	if (kind != FAIL_NONE) {
		db_rollback_to(operation->db, 0);
		if (call->is_new)
			TRY(stripe_call_drop(operation, call));
		return kind;
	}
	kind = act(operation, call, context);
	if (kind == FAIL_NONE)
		return db_commit(operation->db, operation->task);
	db_rollback_to(operation->db, 0);
	return kind;
}
