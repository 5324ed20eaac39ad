/* retention.h: keeps the log of events: its months, and the clock that gives positions. */
#pragma once

#include "operation/operation.h"

extern const struct statement_list event_retention_statements;

/* A job: makes the months until three months from now; `*made` counts them. */
enum fail event_make_months(struct operation *operation, int64_t *made) MUST_CHECK;

/* A job: drops months that are wholly older than the policy's days, and older events of no month;
 * `*dropped` counts the months. */
enum fail event_drop_months(struct operation *operation, int64_t *dropped) MUST_CHECK;

/* A job, and a step of a restore: raises the base of positions when the database has come into a
 * cluster with lower transaction ids, and remembers how far the positions have come. `*raised` is
 * by how much; until then readers do not get new events. */
enum fail event_keep_clock(struct operation *operation, int64_t *raised) MUST_CHECK;
