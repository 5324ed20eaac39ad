/*
 * chain.h: the chain over the audit trail, which shows whether an entry was changed, removed or
 * inserted.
 *
 * A link has a position (1, 2, ...), the id of an entry, and a hash: SHA-256 over the hash of the link
 * before, the position, the time of chaining, and all members of the entry. The order is the one in
 * which the local jobs meet the committed entries, not that of their ids.
 */
#pragma once

#include "audit/trail.h"
#include "base/digest.h"

extern const struct statement_list audit_chain_statements;

/* The hash before the first link. */
#define AUDIT_NO_HASH "0000000000000000000000000000000000000000000000000000000000000000"

/* A link with its entry. */
struct audit_link {
	struct audit_entry entry; /* `position` and `hash` are the link's */
	bool present;             /* the entry exists */
	struct instant chained_at;
};

/* The end of the chain; position 0: it is empty, and the hash is AUDIT_NO_HASH. */
struct audit_head {
	int64_t position;
	int64_t audit_id;
	const char *hash;
};

/* The hash, in hex, of a link behind one with the hash `before`. An entry that is not present
 * counts as empty. */
const char *audit_link_hash(struct arena *arena, const char *before,
                            const struct audit_link *link);

/* How far the entries that are older than the chain have gone into it. */
struct audit_backfill {
	int64_t last_id;         /* of these entries; 0: there are none */
	struct instant ended_at; /* none: not all are in the chain */
};

enum fail audit_backfill_read(struct operation *operation,
                              struct audit_backfill *out) MUST_CHECK;

enum fail audit_head_read(struct operation *operation, struct audit_head *out) MUST_CHECK;

/* The links behind the position, in order, at most `limit`. */
enum fail audit_links(struct operation *operation, int64_t behind, int64_t limit,
                      const struct audit_link **out, size_t *count) MUST_CHECK;

/* How long the chain is, and what is not in it yet. */
struct audit_chain_figures {
	int64_t links;
	int64_t waiting;
	struct instant waiting_since; /* none: nothing waits */
	struct instant first_at;      /* when the first link was made; none: there is none */
};

enum fail audit_chain_figures(struct operation *operation,
                              struct audit_chain_figures *out) MUST_CHECK;

/* A job: appends entries that are not in the chain. `*done` counts them. */
enum fail audit_chain_run(struct operation *operation, int64_t *done) MUST_CHECK;
