/*
 * spool.h: usage on its way to the service, on disk until the service has it.
 *
 *	usage/current.json   what was posted since the last report, and that report's number
 *	usage/<number>.json  a report, unsent
 *	usage/sent.json      the highest number that was sent
 *	usage/doubt.json     the highest number that may have arrived without an answer; see spool_progress.h
 *
 * Numbers go up by one and are part of the report's id, so that a gap shows. A post is on disk
 * before it is acknowledged. A report is made in two steps (write it, begin the next), and current
 * counts whose number is a report already are no longer current: no crash counts twice.
 */
#ifndef AGENT_STORE_SPOOL_H
#define AGENT_STORE_SPOOL_H

#include "agent-store/state.h"
#include "agent-store/tally.h"

/* One report. `first` < `number` for one that was made of several. */
struct report {
	int64_t first, number;
	const char *report_id;
	struct instant reported_at;
	struct tally tally;
};

struct spool {
	const struct state *state;
	int64_t number; /* of the report to come */
	bool posted;    /* something came since the last report */
	struct tally current;
};

/* Reads current.json; what is damaged is logged and begun anew. */
void spool_open(struct task *task, const struct state *state, struct spool *out);

/* Takes what the local application posts, as tally_add() has it; on disk when this returns.
 * FAIL_UNAVAILABLE when it can't be kept: then nothing was taken. */
enum fail spool_post(struct task *task, struct spool *spool,
                     const struct json_view *body) MUST_CHECK;

/* Makes a report of what was posted; nothing when nothing was. */
enum fail spool_cut(struct task *task, struct spool *spool, int64_t now_ms) MUST_CHECK;

/* The unsent reports, in the order of their numbers. Files that make no sense are put aside. Only with
 * the lock. */
enum fail spool_list(struct task *task, const struct state *state, struct report **out,
                     size_t *count) MUST_CHECK;

/* The service has it, or never will: it leaves the folder. */
enum fail spool_done(struct task *task, const struct state *state,
                     const struct report *report) MUST_CHECK;

/* The service will never take it: it is put aside under another name, for people to look at. */
enum fail spool_refused(struct task *task, const struct state *state,
                        const struct report *report) MUST_CHECK;

/* While there are more than `max`: the oldest day with several becomes one report, those in doubt
 * aside; else the oldest goes. Only with the lock. */
enum fail spool_bound(struct task *task, const struct state *state, size_t max) MUST_CHECK;

/* Members of an open object: the report as POST /api/usage/reports takes it, customer and instance
 * aside. */
void report_write(const struct report *report, struct json_out *json);

#endif
