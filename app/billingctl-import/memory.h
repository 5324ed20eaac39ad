/* memory.h: what the steps of a dry run would have made. Each step is rolled back, so that no lock and no
 * snapshot outlives it, and the later steps do not find what it made. */
#pragma once

#include "billingctl-import/import.h"

enum memory_kind {
	MEMORY_CUSTOMER,        /* id: its id at Stripe, or "" */
	MEMORY_ADDRESS,         /* key of an e-mail address: the customer's id */
	MEMORY_STRIPE_CUSTOMER, /* id at Stripe: the customer's id */
	MEMORY_SUBSCRIBER,      /* id of a customer that has a subscription: "" */
	MEMORY_SUBSCRIPTION,    /* id at Stripe: "" */
	MEMORY_KINDS
};

struct import_memory *import_memory_new(void);
void import_memory_free(struct import_memory *memory);

/* Remembers it in a dry run; a real run and a key that is NULL change nothing. Copies both. */
void import_remember(struct import *import, enum memory_kind kind, const char *key,
                     const char *value);

/* The value that is remembered of the key; NULL without one. */
const char *import_recall(const struct import *import, enum memory_kind kind, const char *key);

/* Commits a step; rolls it back in a dry run. */
enum fail import_commit(struct import *import) MUST_CHECK;
