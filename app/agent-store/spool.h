/*
 * spool.h: keeps usage on disk until the service has it.
 *
 *	usage/current.json   the usage since the last report, and the number of the next one
 *	usage/<number>.json  an unsent report
 *	usage/sent.json, usage/doubt.json  see spool_progress.h
 *
 * Numbers go up by one and are part of a report's id, so that the service sees a gap. A post is
 * on disk before it is acknowledged. Making a report takes two writes, <number>.json and then
 * current.json. After a crash between them <number>.json exists, so the counts in current.json
 * are dropped: nothing counts twice.
 */
#pragma once

#include "agent-store/report_file.h"

struct spool {
	const struct state *state;
	int64_t number; /* of the next report */
	bool posted;    /* something was posted since the last report */
	struct tally current;
};

/* Reads current.json; when it is damaged, that is logged and the counts begin at zero. */
void spool_open(struct task *task, const struct state *state, struct spool *out);

/* Adds posted usage, in the form of tally_add(); it is on disk when this returns. After a failure nothing
 * was added: FAIL_INVALID as tally_add() and known_metrics_check(), FAIL_UNAVAILABLE as file_write(). */
enum fail spool_post(struct task *task, struct spool *spool,
                     const struct json_view *body) MUST_CHECK;

/* Makes a report of the posted usage, if there is any. */
enum fail spool_make_report(struct task *task, struct spool *spool, int64_t now_ms) MUST_CHECK;

/* The unsent reports, sorted by number. Damaged files are set aside. Needs STATE_LOCK. */
enum fail spool_list(struct task *task, const struct state *state, struct report **out,
                     size_t *count) MUST_CHECK;

/* Removes a report that the service has. */
enum fail spool_done(struct task *task, const struct state *state,
                     const struct report *report) MUST_CHECK;

/* While there are more than `max` reports: merges those of the oldest day that has several and
 * that are not in flight, else drops the oldest report. Needs STATE_LOCK. */
enum fail spool_compact(struct task *task, const struct state *state, size_t max) MUST_CHECK;

/* Makes the reports that the service refused unsent again, under new numbers and ids. */
enum fail spool_retry(struct task *task, struct spool *spool, size_t *retried) MUST_CHECK;
