/* lost.h: instances whose lease has ended although nothing released them. */
#pragma once

#include "operation/operation.h"

extern const struct statement_list usage_lost_statements;

/* At most USAGE_LOST_MAX instances get the event instance.lost in one step, so a step folds no more ended
 * leases than that. */
enum { USAGE_LOST_MAX = 2000 };

/* The events that are to be written: these lists are equally long. And instances that another transaction
 * changes at this moment: they stay in the sums until the next step. */
struct lost_instances {
	struct string_list customers;
	struct string_list keys;
	struct string_list data;
	struct string_list busy_customers;
	struct string_list busy_instances;
};

/* The instances of these customers that count as in use so far, and whose lease has ended. The customers
 * are locked, and folded next. The instances are locked until the transaction ends: none is renewed meanwhile. */
enum fail usage_lost_find(struct operation *operation, const struct string_list *customers,
                          struct lost_instances *out) MUST_CHECK;

/* Writes instance.lost for each, as the last thing of the transaction. */
enum fail usage_lost_tell(struct operation *operation,
                          const struct lost_instances *lost) MUST_CHECK;
