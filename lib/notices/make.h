/* make.h: makes notices of the events in the log, and one digest a week. */
#pragma once

#include "notices/records.h"

extern const struct statement_list notice_make_statements;

/* A job: reads the next events and makes the notices that tell of them, once each. One process at a time
 * reads. It begins with the events of its first run; events that are older than three days when they are
 * read make no notice. */
enum fail notice_make_run(struct operation *operation, int64_t *done) MUST_CHECK;

/* A job: makes the digest of the week (ISO 8601, from Monday 06:00 UTC on) for each operator, once. */
enum fail notice_digest_run(struct operation *operation, int64_t *done) MUST_CHECK;
