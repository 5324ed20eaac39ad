/*
 * tally.h: the numbers of a usage report. Pure functions.
 */
#ifndef AGENT_STORE_TALLY_H
#define AGENT_STORE_TALLY_H

#include "base/failure.h"
#include "base/json_out.h"
#include "base/json_view.h"

enum { TALLY_METRICS_MAX = 32, TALLY_NAME_MAX = 64 };

/* One number with a name: a count is added up, of a level the newest stays. */
struct tally_metric {
	char name[TALLY_NAME_MAX + 1];
	int64_t value;
	bool level;
};

struct tally {
	int64_t active_devices;
	int64_t total_devices;
	size_t metric_count;
	struct tally_metric metrics[TALLY_METRICS_MAX];
};

/*
 * Adds what the object says: "active_devices", "total_devices" (the newest stays), "counts" and
 * "metrics" (added up), "levels"; each may be left out. FAIL_INVALID "invalid_usage" names the
 * first bad member; `tally` is spoiled then.
 */
enum fail tally_add(struct task *task, struct tally *tally,
                    const struct json_view *object) MUST_CHECK;

/* Adds a later report of the same day: most devices, sums of counts, newest levels. */
void tally_merge(struct tally *tally, const struct tally *later);

/* Forgets the counts, keeps devices and levels: what holds until somebody says otherwise. */
void tally_begin(struct tally *tally);

/* Members of an open object, as tally_add() reads them. */
void tally_write(const struct tally *tally, struct json_out *json);

/* All metrics as one object "metrics", as the service takes them. */
void tally_write_metrics(const struct tally *tally, struct json_out *json);

#endif
