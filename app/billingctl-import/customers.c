/* customers.c: takes over the customers of the original service. */
#include <string.h>

#include "accounts/adopt.h"
#include "base/arena.h"
#include "base/text.h"
#include "billing/customer_ids.h"
#include "billing/customer_keys.h"
#include "billingctl-import/memory.h"
#include "billingctl-import/steps.h"

enum { EMAIL_MAX = 254, COMPANY_MAX = 200, STRIPE_ID_MAX = 255 };

/* How a customer is stored otherwise than it stood there. */
enum change {
	CHANGE_NAME = 1,
	CHANGE_STRIPE = 2,
	CHANGE_CREATED = 4,
	CHANGE_STRIPE_TAKEN = 8,
};

static const char *const changes[] = {
        "without its company_name, which is too long, blank or not to be shown",
        "without its stripe_customer_id, which is no id of Stripe's",
        "its created_at is missing, out of range or in the future: now is taken",
        "without its stripe_customer_id, which another customer has",
};

/* A customer to store, the row that it was, and how it differs. */
struct item {
	const struct source_customer *row;
	unsigned int changes;
};

/* The customers of a step. */
struct batch {
	struct customer *customers;
	struct item *items;
	size_t count;
};

/* NULL when the customer can be taken over, else why not. */
static const char *
fault_of(const struct source_customer *row, const char *id)
{
	const char *fault;

	if (id == NULL)
		return "its id is empty, longer than 100 characters, or has control characters";
	if (row->email == NULL || *row->email == '\0')
		return "it has no e-mail address";
	fault = text_characters(row->email) > EMAIL_MAX ? "is too long"
	                                                : address_check(row->email);
	return fault == NULL ? NULL : "its e-mail address is none that billing takes";
}

/* The company's name, or NULL; a name that cannot be shown is left out. */
static const char *
company_of(struct item *item)
{
	const char *name = item->row->company_name;

	if (name == NULL || *name == '\0')
		return NULL;
	if (text_characters(name) <= COMPANY_MAX && customer_check_name(name) == NULL)
		return name;
	item->changes |= CHANGE_NAME;
	return NULL;
}

static const char *
stripe_of(struct item *item)
{
	static const char allowed[] =
	        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
	const char *id = item->row->stripe_customer_id;

	if (id == NULL || *id == '\0')
		return NULL;
	if (text_is_made_of(id, allowed, 1, STRIPE_ID_MAX))
		return id;
	item->changes |= CHANGE_STRIPE;
	return NULL;
}

/* When it was made; now for a time that is unknown or still to come. */
static struct instant
created_of(struct item *item, int64_t now_ms)
{
	if (item->row->created_at.known && item->row->created_at.ms <= now_ms)
		return item->row->created_at;
	item->changes |= CHANGE_CREATED;
	return INSTANT_MS(now_ms);
}

static const char *
given_id(const struct source_customer *row)
{
	return row->customer_id == NULL ? "" : row->customer_id;
}

static void
judge(struct import *import, struct import_count *count, struct batch *batch,
      const struct source_customer *row)
{
	const char *id = customer_id_of_text(import->step.arena, given_id(row));
	const char *fault = fault_of(row, id);
	struct customer *out = &batch->customers[batch->count];
	struct item *item = &batch->items[batch->count];
	int64_t now_ms = import->operation.now_ms;

	if (fault != NULL) {
		import_remark(import, count, "skipped", given_id(row), 1, fault);
		return;
	}
	*item = (struct item){.row = row};
	*out = (struct customer){
	        .customer_id = id,
	        .email = row->email,
	        .company_name = company_of(item),
	        .stripe_customer_id = stripe_of(item),
	        .created_at = created_of(item, now_ms),
	};
	out->updated_at = row->updated_at.known && row->updated_at.ms <= now_ms &&
	                                  row->updated_at.ms > out->created_at.ms
	                          ? row->updated_at
	                          : out->created_at;
	batch->count++;
}

/* Why a customer was not made. */
static const char *
obstacle(struct import *import, const struct adopted_customer *result)
{
	if (result->deleted)
		return "it was here, and was deleted";
	if (result->email_owner != NULL)
		return arena_printf(import->step.arena, "%s has its e-mail address",
		                    result->email_owner);
	return "it was being changed at this moment; run the import again";
}

/* Tells what of a customer that was made differs from the original. */
static void
tell_changes(struct import *import, struct import_count *count, const struct item *item,
             const char *id)
{
	const char *given = item->row->customer_id;

	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++)
		if ((item->changes & 1U << i) != 0)
			import_remark(import, count, "changed", given, 1, changes[i]);
	if (strcmp(given, id) != 0)
		import_remark(import, count, "renamed", given, 1,
		              arena_printf(import->step.arena,
		                           "its id is %s here; requests may use either", id));
}

/* Completes the result by what a dry run has made before, and remembers it. */
static enum fail
take_memory(struct import *import, const struct customer *customer,
            struct adopted_customer *result)
{
	struct customer_keys keys;
	const char *owner;

	if (!import->dry_run || result->here)
		return FAIL_NONE;
	TRY(customer_keys_read(&import->step, customer->email, customer->company_name, &keys));
	owner = import_recall(import, MEMORY_ADDRESS, keys.address.key);
	result->here = import_recall(import, MEMORY_CUSTOMER, customer->customer_id) != NULL;
	result->made = result->made && !result->here && owner == NULL;
	if (owner != NULL)
		result->email_owner = owner;
	if (!result->made)
		return FAIL_NONE;
	if (import_recall(import, MEMORY_STRIPE_CUSTOMER, customer->stripe_customer_id) != NULL)
		result->stripe_taken = true;
	import_remember(import, MEMORY_CUSTOMER, customer->customer_id, "");
	import_remember(import, MEMORY_ADDRESS, keys.address.key, customer->customer_id);
	import_remember(import, MEMORY_STRIPE_CUSTOMER, customer->stripe_customer_id,
	                customer->customer_id);
	return FAIL_NONE;
}

static void
take_result(struct import *import, struct import_count *count, struct item *item,
            const char *id, const struct adopted_customer *result)
{
	if (result->here && !result->deleted) {
		count->here++;
		return;
	}
	if (!result->made) {
		import_remark(import, count, "skipped", item->row->customer_id, 1,
		              obstacle(import, result));
		return;
	}
	count->made++;
	if (result->stripe_taken)
		item->changes |= CHANGE_STRIPE_TAKEN;
	tell_changes(import, count, item, id);
}

static enum fail
store(struct import *import, struct import_count *count, struct batch *batch)
{
	const struct adopted_customer *results = NULL;
	struct operation *operation = &import->operation;

	if (batch->count == 0)
		return FAIL_NONE;
	TRY(db_begin(operation->db, operation->task));
	TRY(account_adopt_customers(operation, batch->customers, batch->count, &results));
	TRY(import_commit(import));
	for (size_t i = 0; i < batch->count; i++) {
		struct adopted_customer result = results[i];

		TRY(take_memory(import, &batch->customers[i], &result));
		take_result(import, count, &batch->items[i], batch->customers[i].customer_id,
		            &result);
	}
	return FAIL_NONE;
}

static enum fail
step(struct import *import, struct import_count *count, size_t *rows)
{
	const struct source_customer *customers = NULL;
	struct arena *arena = import->step.arena;
	struct batch batch = {0};

	TRY(source_next(import, SOURCE_CUSTOMERS, (void *)&customers, rows));
	batch.customers = arena_array(arena, *rows + 1, sizeof(*batch.customers));
	batch.items = arena_array(arena, *rows + 1, sizeof(*batch.items));
	for (size_t i = 0; i < *rows; i++)
		judge(import, count, &batch, &customers[i]);
	count->read += (int64_t)*rows;
	return store(import, count, &batch);
}

enum fail
import_customers(struct import *import, int64_t total)
{
	struct import_count count = {.name = "customers"};
	size_t rows = 1;

	TRY(source_rows(import, SOURCE_CUSTOMERS));
	while (rows > 0) {
		TRY(import_step_end(import, step(import, &count, &rows)));
		if (rows > 0)
			import_progress(import, &count, total);
	}
	import_put_count(import, &count);
	return FAIL_NONE;
}
