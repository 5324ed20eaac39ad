/* stripe_customer.c: the customer at Stripe who pays for one of ours. */
#include "sales/stripe_customer.h"

#include "base/text.h"
#include "outbox/enqueue.h"
#include "sales/perform.h"
#include "sales/resolve.h"
#include "stripe/client.h"
#include "sync/objects.h"

enum fail
stripe_customer_ensure(struct operation *operation, const struct customer *customer,
                       const char **stripe_customer_id)
{
	struct stripe_call wanted = {.kind = STRIPE_CUSTOMER_CREATE,
	                             .customer_id = customer->customer_id,
	                             .path = "/v1/customers"};
	struct stripe_call call;

	*stripe_customer_id = customer->stripe_customer_id;
	if (*stripe_customer_id != NULL)
		return FAIL_NONE;
	wanted.parameters = stripe_customer_parameters(operation, customer);
	TRY(call_prepare(operation, &wanted, &call));
	TRY(db_begin(operation->db, operation->task));
	TRY(stripe_resolve_creation(operation, &call, stripe_customer_id));
	return db_commit(operation->db, operation->task);
}

bool
stripe_customer_is_missing(const struct operation *operation, enum fail kind)
{
	return kind == FAIL_STRIPE &&
	       text_equal(operation->task->failure.code, STRIPE_CUSTOMER_MISSING);
}

enum fail
stripe_customer_unlink_missing(struct operation *operation, const char *customer_id)
{
	struct sync_target target = {.id = NULL};
	struct customer customer;
	enum sync_result synced;
	const char *owner;

	task_clear(operation->task);
	db_rollback_to(operation->db, 0);
	TRY(customer_find(operation, customer_id, &customer));
	target.id = customer.stripe_customer_id;
	if (target.id == NULL)
		return FAIL_NONE;
	TRY(db_begin(operation->db, operation->task));
	TRY(stripe_sync_customer(operation, &target, &owner, &synced));
	TRY(db_commit(operation->db, operation->task));
	TRY(customer_find(operation, customer_id, &customer));
	if (customer.stripe_customer_id == NULL)
		return FAIL_NONE;
	return task_fail(operation->task, FAIL_STRIPE, "stripe_error",
	                 "Stripe did not accept this; nothing was changed.");
}
