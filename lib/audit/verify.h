/* verify.h: finds entries of the audit trail that were changed, removed or inserted. */
#pragma once

#include "audit/heads.h"

extern const struct statement_list audit_verify_statements;

/* At most AUDIT_FAULTS_MAX faults are listed; all are counted. A link older than AUDIT_HEAD_DAYS_MAX
 * days has a signed head. */
enum { AUDIT_FAULTS_MAX = 1000, AUDIT_HEAD_DAYS_MAX = 2 };

/*
 * A fault:
 *	changed       the entry is not the one that was chained
 *	removed       the link has no entry any more
 *	link_missing  the chain lacks this position
 *	inserted      the entry is in no link, and did not come by a statement of ours
 *	backdated     the entry says that it is older than links before it
 *	head          a signed head differs from the chain, or lies behind its end
 *	backfill      a signed head says otherwise of the entries older than the chain
 *	head_line     a line of the file of heads that proves nothing
 *	no_head       no head was signed, or the file of heads is lost
 */
struct audit_fault {
	const char *fault;
	int64_t position;    /* 0: none */
	int64_t audit_id;    /* 0: none */
	const char *message; /* more, or NULL */
};

struct audit_verdict {
	int64_t links;   /* that were checked */
	int64_t entries; /* likewise */
	int64_t heads;   /* signed heads that agree */
	int64_t torn;    /* lines that a crash or a full disk has cut */
	int64_t waiting; /* entries that the jobs have not chained yet */
	int64_t position;
	const char *hash; /* of the last link */
	const struct audit_fault *faults;
	size_t listed;
	int64_t found; /* faults in all */
};

/* Reads the whole trail and its chain, some rows at a time. `heads` is the text of the file of signed
 * heads, `keys` those that may have signed it. */
enum fail audit_verify(struct operation *operation, const struct audit_head_keys *keys,
                       const char *heads, struct audit_verdict *out) MUST_CHECK;
