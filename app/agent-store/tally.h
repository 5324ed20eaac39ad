/* tally.h: adds up the numbers of a usage report. Pure functions. */
#pragma once

#include "base/failure.h"
#include "base/wire.h"
#include "json/out.h"
#include "json/view.h"

enum { TALLY_METRICS_MAX = 32, TALLY_NAME_MAX = 64 };

/* A named number: counts are summed, a level keeps its newest value. */
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
	char version[WIRE_VERSION_MAX + 1]; /* of the application; "": not known */
};

/* Adds an object with the optional members "active_devices", "total_devices" (the newest
 * counts), "counts" and "metrics" (summed), "levels" and "version". FAIL_INVALID
 * "invalid_usage" names the first bad member; `tally` is unusable then. */
enum fail tally_add(struct task *task, struct tally *tally,
                    const struct json_view *object) MUST_CHECK;

/* NULL when the version was set, else why it can be none. */
const char *tally_set_version(struct tally *tally, const char *version);

/* Merges a later report: the larger device numbers, sums of counts, newest levels and version. */
void tally_merge(struct tally *tally, const struct tally *later);

/* Moves the metric of that name to another tally; false when there is none. */
bool tally_move(struct tally *from, const char *name, struct tally *to);

/* Sets a metric to this value; one too many is left out. */
void tally_set(struct tally *tally, const struct tally_metric *metric);

/* Removes the counts. Devices, levels and version stay until new values are posted. */
void tally_reset(struct tally *tally);

/* Writes the numbers as tally_add() reads them. */
void tally_write(const struct tally *tally, struct json_out *json);

/* Writes all metrics as one object "metrics", the form of POST /api/usage/reports. */
void tally_write_metrics(const struct tally *tally, struct json_out *json);
