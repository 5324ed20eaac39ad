/* spool_progress.h: how far sending has come: the highest report number that was sent, and the
 * highest that is in flight. Both are kept after the reports themselves are gone; 0 means
 * none. */
#pragma once

#include "agent-store/state.h"

/* The highest valid number of a report or exported file; with a higher one it is damaged. */
#define REPORT_NUMBER_MAX INT64_C(99999999999999999)

/* Numbers up to this one are never used again. Recording a lower one changes nothing. */
int64_t spool_sent(struct task *task, const struct state *state);
enum fail spool_record_sent(struct task *task, const struct state *state,
                            int64_t number) MUST_CHECK;

/* The highest number that the service may have received without our having its answer; recorded
 * before the reports are sent. These reports are sent again unchanged, under the same ids, and
 * never merged. */
int64_t spool_in_flight(struct task *task, const struct state *state);
enum fail spool_record_in_flight(struct task *task, const struct state *state,
                                 int64_t number) MUST_CHECK;
