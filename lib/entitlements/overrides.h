/* overrides.h: features and limits that an operator has given one customer: one set, with a reason and
 * possibly an end. */
#pragma once

#include "entitlements/entitlements.h"
#include "operation/operation.h"

struct override {
	const char *customer_id;
	const char *features; /* JSON objects */
	const char *limits;
	struct instant expires_at; /* unknown: no end */
	const char *reason;
	const char *set_by; /* an actor of the audit trail */
	struct instant set_at;
};

/* The stored rows with which entitlements are computed: `subscription.plan` is NULL without one. */
struct entitlement_basis {
	const char *customer_id;
	bool deleted;
	struct subscription subscription;
	struct entitlement_terms terms;
};

extern const struct statement_list override_statements;

/* Reads what a customer's entitlements depend on, also a deleted one's. */
enum fail entitlement_basis_find(struct operation *operation, const char *customer_id,
                                 struct entitlement_basis *out, bool *found) MUST_CHECK;

/* As entitlement_basis_find(), of a customer that is not deleted. FAIL_NOT_FOUND "customer_not_found". */
enum fail entitlement_basis_read(struct operation *operation, const char *customer_id,
                                 struct entitlement_basis *out) MUST_CHECK;

/* The customer's set, also one that has ended; `*found` is false when there is none. */
enum fail override_find(struct operation *operation, const char *customer_id,
                        struct override *out, bool *found) MUST_CHECK;

/* Stores the set in place of the one so far. */
enum fail override_store(struct operation *operation, const struct override *row) MUST_CHECK;

/* The set as a JSON object; customers do not see the operator. */
const char *override_write(struct arena *arena, const struct override *row, bool for_operators);

/* Deletes the customer's set, if there is one. */
enum fail override_delete(struct operation *operation, const char *customer_id) MUST_CHECK;
