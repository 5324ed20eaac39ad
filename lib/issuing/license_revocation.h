/* license_revocation.h: revokes all licences of a customer, and tells of it. */
#pragma once

#include "issuing/licenses.h"

extern const struct statement_list license_revocation_statements;

/* Licences that one operation has revoked: {count, licenses} with the newest 50 of them, as JSON
 * texts. What is audited stays for ever, so it has no reason that an operator wrote. */
struct license_revocation {
	int64_t count;
	const char *before;
	const char *after;
	const char *told; /* by the event, with the reason */
};

/* Finds the licences of the customer that this operation has revoked. */
enum fail license_revocation_find(struct operation *operation, const char *customer_id,
                                  struct license_revocation *out) MUST_CHECK;

/* Revokes all live licences of the customer within the caller's transaction. `revoked` counts; NULL:
 * it does not matter. */
enum fail license_revoke_all(struct operation *operation, const char *customer_id,
                             const char *reason, int64_t *revoked) MUST_CHECK;

/* Writes the licences of the customer that this operation has revoked to the audit trail, with their
 * states before and after, and an event: the newest 50, and how many they are. */
enum fail license_record_revocation(struct operation *operation, const char *customer_id,
                                    const char *detail) MUST_CHECK;

/* Writes the event about them alone. */
enum fail license_tell_revocation(struct operation *operation,
                                  const char *customer_id) MUST_CHECK;

/* Erases what operators gave as reasons, of a customer that is deleted. */
enum fail license_reasons_forget(struct operation *operation,
                                 const char *customer_id) MUST_CHECK;
