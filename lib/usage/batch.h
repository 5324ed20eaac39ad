/*
 * batch.h: many reports at once, in one transaction, each with its own outcome.
 */
#ifndef USAGE_BATCH_H
#define USAGE_BATCH_H

#include "usage/report.h"

enum usage_status { USAGE_CREATED, USAGE_DUPLICATE, USAGE_NO_CUSTOMER };

/* One report of a batch and what became of it. */
struct usage_item {
	struct usage_report report; /* checked; afterwards the stored one */
	enum usage_status status;
};

extern const struct statement_list usage_batch_statements;

/* Stores all of them or, failing, none. The same report_id twice in a batch is the first one's. */
enum fail usage_report_batch(struct operation *operation, struct usage_item *items,
                             size_t count) MUST_CHECK;

#endif
