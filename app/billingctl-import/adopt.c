/* adopt.c: adopts one subscription of Stripe's, and its customer. */
#include "billingctl-import/adopt.h"

#include <string.h>

#include "accounts/adopt.h"
#include "base/arena.h"
#include "base/random.h"
#include "base/text.h"
#include "billing/customer_ids.h"
#include "billing/customer_keys.h"
#include "billingctl-import/memory.h"
#include "subscriptions/subscriptions.h"
#include "sync/objects.h"
#include "sync/price_plans.h"

enum { EMAIL_MAX = 254, COMPANY_MAX = 200 };

/* Counts a subscription that stays at Stripe alone, with the reason. */
static enum fail
skip(struct adoption *adoption, const char *id, const char *why)
{
	import_remark(&adoption->import, &adoption->subscriptions, "skipped", id, 1, why);
	return FAIL_NONE;
}

/* The customer that Stripe's object shows, as it is to be made here. */
static void
read_customer(struct adoption *adoption, const struct json_view *object, struct customer *out)
{
	struct arena *arena = adoption->import.step.arena;
	const char *name = stripe_text_of(object, "name");
	const char *ours = stripe_text_of(object, "metadata.customer_id");
	int64_t created = 0;

	if (ours != NULL)
		ours = customer_id_of_text(arena, ours);
	(void)json_view_int(object, "created", &created);
	*out = (struct customer){
	        .customer_id = ours != NULL ? ours : random_id(arena, "cust_", 16),
	        .email = stripe_text_of(object, "email"),
	        .stripe_customer_id = stripe_text_of(object, "id"),
	        .created_at = stripe_instant(created),
	};
	if (name != NULL && *name != '\0' && text_characters(name) <= COMPANY_MAX &&
	    customer_check_name(name) == NULL)
		out->company_name = name;
	if (!out->created_at.known || out->created_at.ms > adoption->import.operation.now_ms)
		out->created_at = INSTANT_MS(adoption->import.operation.now_ms);
	out->updated_at = out->created_at;
}

/* Finds the address among the customers that a dry run has made; each is one at Stripe. */
static enum fail
recall_by_email(struct adoption *adoption, const char *email, const char **id, const char **why)
{
	struct import *import = &adoption->import;
	struct customer_keys keys;

	if (!import->dry_run)
		return FAIL_NONE;
	TRY(customer_keys_read(&import->step, email, NULL, &keys));
	*id = import_recall(import, MEMORY_ADDRESS, keys.address.key);
	if (*id != NULL)
		*why = arena_printf(import->step.arena,
		                    "%s has its customer's e-mail address, and is %s at Stripe",
		                    *id, import_recall(import, MEMORY_CUSTOMER, *id));
	return FAIL_NONE;
}

/* The customer with this address. `*why` tells why it may not be linked: it is another one at Stripe, or
 * the operator has not said that the address is enough. A stranger may have signed up with it. */
static enum fail
find_by_email(struct adoption *adoption, const char *email, const char **id, const char **why)
{
	struct operation *operation = &adoption->import.operation;
	struct arena *arena = operation->task->arena;
	const struct customer_filter filter = {.email = email};
	const struct customer *found = NULL;
	struct page page = {.limit = 1};
	size_t count;

	TRY(customer_list(operation, &filter, &page, &found, &count));
	if (count == 0)
		return recall_by_email(adoption, email, id, why);
	*id = found->customer_id;
	if (found->stripe_customer_id != NULL)
		*why = arena_printf(arena,
		                    "%s has its customer's e-mail address, and is %s at Stripe",
		                    found->customer_id, found->stripe_customer_id);
	else if (!adoption->links_by_email)
		*why = arena_printf(
		        arena,
		        "%s has its customer's e-mail address, which does not prove "
		        "that it is the same one; if it is, --link-by-email",
		        found->customer_id);
	return FAIL_NONE;
}

static enum fail
make_customer(struct adoption *adoption, const struct customer *customer, const char **id,
              const char **why)
{
	struct operation *operation = &adoption->import.operation;
	const struct adopted_customer *result = NULL;

	TRY(account_adopt_customers(operation, customer, 1, &result));
	*id = customer->customer_id;
	adoption->customers.made += result->made;
	if (!result->made)
		*why = result->deleted ? "its customer was deleted here"
		                       : "its customer has another one's id in its metadata";
	return FAIL_NONE;
}

/* The customer that a dry run has made or linked for an earlier subscription. */
static const char *
recall(struct adoption *adoption, const struct stripe_subscription *stripe)
{
	struct import *import = &adoption->import;
	const char *named =
	        stripe->customer_id == NULL
	                ? NULL
	                : customer_id_of_text(import->step.arena, stripe->customer_id);
	const char *id = import_recall(import, MEMORY_STRIPE_CUSTOMER, stripe->customer);

	return id == NULL && import_recall(import, MEMORY_CUSTOMER, named) != NULL ? named : id;
}

/* Finds or makes our customer. `*why` is set when there is none. */
static enum fail
take_customer(struct adoption *adoption, const struct stripe_subscription *stripe,
              const struct json_view *object, const char **id, const char **why)
{
	struct operation *operation = &adoption->import.operation;
	struct customer customer;
	bool deleted = false;

	read_customer(adoption, object, &customer);
	*id = NULL;
	TRY(customer_of_stripe(
	        operation, stripe->customer, stripe->id,
	        stripe->customer_id == NULL
	                ? NULL
	                : customer_id_of_text(operation->task->arena, stripe->customer_id),
	        id));
	if (*id == NULL && recall(adoption, stripe) != NULL) {
		*id = recall(adoption, stripe);
		adoption->customers.here++;
		return FAIL_NONE;
	}
	if (*id != NULL) {
		TRY(customer_lock(operation, *id, &deleted));
		adoption->customers.here++;
		if (deleted)
			*why = "its customer was deleted here";
		return FAIL_NONE;
	}
	if (customer.email == NULL || text_characters(customer.email) > EMAIL_MAX ||
	    address_check(customer.email) != NULL) {
		*why = "its customer at Stripe has no e-mail address that billing takes";
		return FAIL_NONE;
	}
	TRY(find_by_email(adoption, customer.email, id, why));
	if (*id == NULL)
		return make_customer(adoption, &customer, id, why);
	adoption->customers.here++;
	return *why != NULL ? FAIL_NONE
	                    : customer_link_stripe(operation, *id, stripe->customer);
}

/* Whether the customer has another live subscription at Stripe. */
static enum fail
check_second(struct adoption *adoption, const char *customer_id, const char **why)
{
	struct operation *operation = &adoption->import.operation;
	const struct subscription *open = NULL;
	bool seen = import_recall(&adoption->import, MEMORY_SUBSCRIBER, customer_id) != NULL;
	size_t count;

	TRY(subscription_open_at_stripe(operation, customer_id, &open, &count));
	if (count > 0 || seen)
		*why = arena_printf(operation->task->arena,
		                    "%s has another live subscription%s%s; end one of them",
		                    customer_id, count > 0 ? ", " : "",
		                    count > 0 ? open->stripe_subscription_id : "");
	return FAIL_NONE;
}

/* Fetches the subscription under its lock and stores it. */
static enum fail
store(struct adoption *adoption, const struct stripe_subscription *stripe,
      const char *customer_id, const char **why)
{
	const struct sync_target target = {
	        .id = stripe->id, .customer = stripe->customer, .customer_id = customer_id};
	enum sync_result result = SYNC_CHANGED;

	if (adoption->import.dry_run)
		return FAIL_NONE;
	TRY(stripe_sync_subscription(&adoption->import.operation, &target, &customer_id,
	                             &result));
	if (result == SYNC_WAITS)
		*why = "a cancellation of it is under way";
	else if (result == SYNC_FOREIGN)
		*why = "it was changed at Stripe at this moment; run the import again";
	return FAIL_NONE;
}

/* In a transaction: all of it, or nothing when `*why` is set. */
static enum fail
adopt(struct adoption *adoption, const struct stripe_subscription *stripe,
      const struct json_view *customer, const char **id, const char **why)
{
	TRY(take_customer(adoption, stripe, customer, id, why));
	if (*why == NULL)
		TRY(check_second(adoption, *id, why));
	return *why != NULL ? FAIL_NONE : store(adoption, stripe, *id, why);
}

/* Remembers what a dry run would have stored. */
static enum fail
remember(struct adoption *adoption, const struct stripe_subscription *stripe,
         const struct json_view *customer, const char *id, bool made)
{
	struct import *import = &adoption->import;
	struct customer_keys keys;

	if (!import->dry_run)
		return FAIL_NONE;
	import_remember(import, MEMORY_SUBSCRIBER, id, "");
	import_remember(import, MEMORY_STRIPE_CUSTOMER, stripe->customer, id);
	if (!made)
		return FAIL_NONE;
	TRY(customer_keys_read(&import->step, stripe_text_of(customer, "email"), NULL, &keys));
	import_remember(import, MEMORY_ADDRESS, keys.address.key, id);
	import_remember(import, MEMORY_CUSTOMER, id, stripe->customer);
	return FAIL_NONE;
}

static enum fail
adopt_in_transaction(struct adoption *adoption, const struct stripe_subscription *stripe,
                     const struct json_view *customer)
{
	struct operation *operation = &adoption->import.operation;
	const struct import_count before = adoption->customers;
	int depth = db_depth(operation->db);
	const char *why = NULL, *id = NULL;

	TRY(db_begin(operation->db, operation->task));
	TRY(adopt(adoption, stripe, customer, &id, &why));
	if (why == NULL) {
		TRY(remember(adoption, stripe, customer, id,
		             adoption->customers.made > before.made));
		adoption->subscriptions.made++;
		adoption->customers.read++;
		return import_commit(&adoption->import);
	}
	db_rollback_to(operation->db, depth);
	adoption->customers = before;
	return skip(adoption, stripe->id, why);
}

enum fail
adopt_subscription(struct adoption *adoption, const struct json_view *object)
{
	struct operation *operation = &adoption->import.operation;
	struct sold_subscription sold;
	struct synced_subscription ours;
	struct json_view customer;
	bool known;

	adoption->subscriptions.read++;
	if (!sold_subscription_read(operation, object, &sold))
		return skip(adoption, "-", "Stripe's list has something else in its place");
	if (sold.plan == NULL && sold.stripe.has_more_items)
		TRY(sold_subscription_complete(operation, object, &sold));
	TRY(price_plans_find(operation, PRICES_METADATA, &sold));
	TRY(subscription_sync_find(operation, sold.stripe.id, &ours, &known));
	if (known) {
		adoption->subscriptions.here++;
		return FAIL_NONE;
	}
	if (stripe_status_is_final(sold.stripe.status))
		return skip(adoption, sold.stripe.id, "it has ended");
	if (sold.plan == NULL)
		return skip(adoption, sold.stripe.id, "none of its prices is one of ours");
	if (!json_view_object(object, "customer", &customer) || sold.stripe.customer == NULL)
		return skip(adoption, sold.stripe.id, "Stripe shows no customer of it");
	return adopt_in_transaction(adoption, &sold.stripe, &customer);
}
