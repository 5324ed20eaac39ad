/*
 * spool_progress.h: two numbers of reports that outlive the reports; 0 while there is none.
 */
#ifndef AGENT_STORE_SPOOL_PROGRESS_H
#define AGENT_STORE_SPOOL_PROGRESS_H

#include "agent-store/state.h"

/* No counting of reports, or of files of them, comes so far: what has a higher number is damaged. */
#define REPORT_NUMBER_MAX INT64_C(99999999999999999)

/* The highest number that was sent: none up to it is ever used again. Lower ones change nothing. */
int64_t spool_sent(struct task *task, const struct state *state);
enum fail spool_record_sent(struct task *task, const struct state *state,
                            int64_t number) MUST_CHECK;

/*
 * The highest number that may have arrived without an answer, noted before it is sent. Nobody knows
 * whether the service took these reports: they are sent again as they are, under the same ids, and never
 * joined with others.
 */
int64_t spool_in_flight(struct task *task, const struct state *state);
enum fail spool_record_in_flight(struct task *task, const struct state *state,
                                 int64_t number) MUST_CHECK;

#endif
