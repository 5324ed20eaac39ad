/* deals.c: takes over subscriptions of the original that are paid elsewhere and have an end: each becomes
 * a contract. */
#include "billingctl-import/deals.h"

#include "base/arena.h"
#include "base/text.h"
#include "billingctl-import/memory.h"
#include "contracts/contracts.h"

/* A contract begins at most so long ago. */
static const int64_t begun_days = 365;

bool
import_is_deal(const struct import *import, const struct subscription *subscription)
{
	return subscription->stripe_subscription_id == NULL &&
	       text_equal(subscription->status, "active") &&
	       subscription->current_period_ends_at.known &&
	       subscription->current_period_ends_at.ms > import->operation.now_ms;
}

/* Ends a contract that could not be made, and tells why; a failure of the database goes up. */
static enum fail
refuse(struct import *import, struct import_count *count, const char *given, enum fail kind,
       int depth)
{
	struct operation *operation = &import->operation;
	const char *why = kind == FAIL_NOT_FOUND ? "its customer was not taken over"
	                                         : operation->task->failure.message;

	if (kind != FAIL_NOT_FOUND && kind != FAIL_CONFLICT && kind != FAIL_INVALID)
		return kind;
	why = arena_copy(operation->task->arena, why);
	db_rollback_to(operation->db, depth);
	task_clear(operation->task);
	import_remark(import, count, "skipped", given, 1, why);
	return FAIL_NONE;
}

static void
tell_made(struct import *import, struct import_count *count, const char *given,
          const struct subscription *subscription)
{
	count->made++;
	import_remember(import, MEMORY_SUBSCRIBER, subscription->customer_id, "");
	import_remark(
	        import, count, "changed", given, 1,
	        "it is active without Stripe: it is a contract here, until its period ends");
}

enum fail
import_deal(struct import *import, struct import_count *count, const char *given,
            const struct subscription *subscription)
{
	struct operation *operation = &import->operation;
	const struct instant earliest = INSTANT_MS(operation->now_ms - begun_days * DAY_MS);
	const struct contract_input input = {
	        .plan = subscription->plan,
	        .starts_at = subscription->created_at.ms < earliest.ms
	                             ? earliest
	                             : subscription->created_at,
	        .ends_at = subscription->current_period_ends_at,
	        .billing = CONTRACT_MANUAL,
	        .reference = {.present = true, .value = "original"},
	};
	const struct subscription *before = NULL;
	int depth = db_depth(operation->db);
	struct contract made;
	enum fail kind;

	TRY(subscription_newest(operation, subscription->customer_id, &before));
	if (before != NULL ||
	    import_recall(import, MEMORY_SUBSCRIBER, subscription->customer_id) != NULL) {
		count->here++;
		return FAIL_NONE;
	}
	if (import_recall(import, MEMORY_CUSTOMER, subscription->customer_id) != NULL) {
		tell_made(import, count, given, subscription);
		return FAIL_NONE;
	}
	TRY(db_begin(operation->db, operation->task));
	kind = contract_create(operation, subscription->customer_id, &input, &made);
	if (kind != FAIL_NONE)
		return refuse(import, count, given, kind, depth);
	tell_made(import, count, given, subscription);
	return db_commit(operation->db, operation->task);
}
