/*
 * revocation_list.h: the signed list of revoked licences, which is stored and signed once for each
 * change.
 *
 * A trigger of the database puts each licence that is revoked into the table of what the next list
 * has to name, and wakes the local jobs, which sign the list. Any number of hosts may do so:
 * one at a time holds a lock. The list's number only grows.
 */
#pragma once

#include "operation/operation.h"

extern const struct statement_list revocation_list_statements;

/* At most REVOCATIONS_NAMED_MAX licences of a customer are on the list; one entry covers the older ones. */
enum { REVOCATIONS_NAMED_MAX = 8 };

/* The list that is served, and what it lacks. `number` is 0 when none is stored. */
struct revocation_list_figures {
	int64_t number;
	const char *kid;
	const char *issuer;
	bool distrusted; /* the key that signed it, or another key since */
	struct instant issued_at;
	struct instant next_update_at;
	int64_t entries;
	int64_t bytes;
	struct instant unlisted_since; /* of the oldest revocation that it lacks */
	struct instant behind_since;   /* the database was restored, and that is not resolved */
};

struct stored_list {
	int64_t number;
	const char *kid; /* of the key that signed it */
	struct instant issued_at;
	const char *token;
};

enum fail revocation_list_figures(struct operation *operation,
                                  struct revocation_list_figures *out) MUST_CHECK;

/* The fault of the list that is served, as a predicate of it ("is ..."); NULL without one. */
const char *revocation_list_fault(const struct operation *operation,
                                  const struct revocation_list_figures *figures);

/* The stored list. Signs one when there is none. FAIL_UNAVAILABLE "busy" while another process
 * signs the first. */
enum fail revocation_list_current(struct operation *operation,
                                  struct stored_list *out) MUST_CHECK;

/* A job: signs a new list when a revocation is not on the stored one, when half of its time is
 * over, and after a change of the key or the issuer. `*done` counts lists. */
enum fail revocation_list_run(struct operation *operation, int64_t *done) MUST_CHECK;

/* Within the caller's transaction: takes the lock of signing until it ends, unless another process
 * has it. */
enum fail revocation_list_lock(struct operation *operation, bool *locked) MUST_CHECK;

/* With that lock: signs and stores the list that follows `before`, with all that is revoked now. */
enum fail revocation_list_sign(struct operation *operation,
                               const struct revocation_list_figures *before) MUST_CHECK;
