/* trail.h: reads the audit trail, which lib/billing/audit.h writes. */
#pragma once

#include "db/page.h"
#include "operation/operation.h"

extern const struct statement_list audit_trail_statements;

/* One entry, and its link in the chain. */
struct audit_entry {
	int64_t audit_id;
	struct instant happened_at;
	const char *actor;
	const char *action;
	const char *customer_id;
	const char *subject;
	const char *request_id;
	const char *detail;
	const char *before; /* JSON texts of the changed object, or NULL */
	const char *after;
	int64_t position; /* in the chain; 0: it is not in it yet */
	const char *hash; /* in hex; NULL likewise */
};

/* NULL members select nothing. */
struct audit_filter {
	const char *customer_id;
	const char *actor;
	const char *action;
};

/* A page of the trail, the newest entry first. */
enum fail audit_trail(struct operation *operation, const struct audit_filter *filter,
                      struct page *page, const struct audit_entry **out,
                      size_t *count) MUST_CHECK;
