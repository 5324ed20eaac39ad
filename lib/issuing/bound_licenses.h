/* bound_licenses.h: licences that are bound to one instance of the customer, for machines without a
 * network. They are issued beside the customer's other licences: a bound one is never returned as the
 * customer's newest licence, and supersedes only those of its own instance. */
#pragma once

#include "issuing/licenses.h"

extern const struct statement_list bound_license_statements;

/* A bound licence, by the request that it answered. jti is NULL when there is none. */
struct bound_license {
	const char *jti;
	const char *instance_id;
	const char *token; /* NULL: it is no longer kept */
	struct instant expires_at;
	bool revoked;
};

/* A request of an instance, and the licence that answered it. */
struct answered_request {
	const char *nonce;
	const char *instance_id;
	const char *jti;
	struct instant answered_at;
};

/* The customer's newest requests that were answered. */
enum fail answered_request_list(struct operation *operation, const char *customer_id,
                                int64_t limit, const struct answered_request **out,
                                size_t *count) MUST_CHECK;

/* The licence that answered the customer's request with this nonce. */
enum fail bound_license_find(struct operation *operation, const char *customer_id,
                             const char *nonce, struct bound_license *out) MUST_CHECK;

/* Records, within the caller's transaction, that the licence answers the request. FAIL_CONFLICT
 * "conflict" when another one does. */
enum fail bound_license_record(struct operation *operation, const char *customer_id,
                               const char *nonce,
                               const struct issued_license *license) MUST_CHECK;

/* Revokes, within the caller's transaction, the licences that are bound to the instance and may still
 * count; how many. */
enum fail bound_license_revoke(struct operation *operation, const char *customer_id,
                               const char *instance_id, const char *reason,
                               int64_t *revoked) MUST_CHECK;
