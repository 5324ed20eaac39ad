/* batch.h: stores many reports in one transaction, each with its own outcome. */
#pragma once

#include "usage/report.h"

enum usage_status { USAGE_CREATED, USAGE_DUPLICATE, USAGE_NO_CUSTOMER, USAGE_TOO_MANY };

/* One report of a batch and its outcome. */
struct usage_item {
	struct usage_report report; /* in: a checked one; out: the stored one */
	enum usage_status status;
};

extern const struct statement_list usage_batch_statements;

/* Stores all of them or, when it fails, none. Of two items with one report_id the first
 * counts. */
enum fail usage_report_batch(struct operation *operation, struct usage_item *items,
                             size_t count) MUST_CHECK;
