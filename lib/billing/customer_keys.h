/* customer_keys.h: the forms of addresses and companies' names by which customers are found. */
#pragma once

#include "billing/address.h"
#include "operation/operation.h"

struct customer_keys {
	struct address address;
	const char *company; /* NULL: none */
};

extern const struct statement_list customer_key_statements;

/* The key of a name or of its start, for a search by prefix; NULL for NULL. */
enum fail customer_name_key(struct task *task, const char *name, const char **out) MUST_CHECK;

/* The keys of an address, and of a company's name unless it is NULL. */
enum fail customer_keys_read(struct task *task, const char *email, const char *company_name,
                             struct customer_keys *out) MUST_CHECK;

/* A job: gives keys to customers that have none, because an older program wrote them or because
 * they are older than the keys. Of several customers with one address one gets its key;
 * the others get a key of their own, by which only customer_keys_shared() finds them. */
enum fail customer_keys_fill(struct operation *operation, int64_t *done) MUST_CHECK;

/* Customers with the address of an older one: how many, and the id of one of them. */
struct shared_addresses {
	int64_t count;
	const char *customer_id;
};

enum fail customer_keys_shared(struct operation *operation,
                               struct shared_addresses *out) MUST_CHECK;
