/*
 * retention.h: deletes the instances that nothing has used for very long.
 *
 * Reports of a customer may name many instances that never come back, as containers with a random
 * name do. The sums of their days stay.
 */
#pragma once

#include "operation/operation.h"

extern const struct statement_list instance_retention_statements;

enum { INSTANCES_LOOKED_AT = 2000 };

/* A job: looks at the next INSTANCES_LOOKED_AT instances and deletes those whose lease ended before the
 * policy's usage_retention_days, unless they are in the sums of what is in use, have a bound licence that
 * counts, or are of another kind than production; `deleted` counts. */
enum fail instance_prune(struct operation *operation, int64_t *deleted) MUST_CHECK;
