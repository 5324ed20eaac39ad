/* spool_refused.h: the reports, and the metrics of reports, that the service refused. They are kept as
 * usage/<number>.json.refused and usage/<number>-metrics.json.refused, each with the reason, until
 * an operator retries them. */
#pragma once

#include "agent-store/report_file.h"

/* How many files there are, and why the newest was refused; "" when there is none. */
struct refused_state {
	size_t count;
	const char *why;
};

/* Keeps a report aside as a whole. The last 1000 are kept. */
enum fail spool_refuse(struct task *task, const struct state *state,
                       const struct report *report, const char *why) MUST_CHECK;

/* Keeps `bad`, which has some metrics of the unsent report `rest`, aside; `rest` stays unsent. */
enum fail spool_split(struct task *task, const struct state *state, const struct report *rest,
                      const struct report *bad, const char *why) MUST_CHECK;

/* The names in the folder of what was refused, oldest first. */
enum fail spool_list_refused(struct task *task, const struct state *state,
                             const char *const **names, size_t *count) MUST_CHECK;

struct refused_state spool_refused_state(struct task *task, const struct state *state);
