/* schedule.h: computes when to contact the service next. Pure functions. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
	SCHEDULE_RETRY_FIRST_S = 30,
	SCHEDULE_RETRY_MAX_S = 3600,
	SCHEDULE_TOLD_MAX_S = 86400 /* the longest wait that the service can ask for */
};

struct schedule {
	int64_t due_us;
	int failures; /* in a row */
};

/* Sets the next time. After a success: the interval, plus or minus a random tenth, so that
 * instances that started together spread out. After a failure: 30 s, doubled with each further
 * one up to an hour or the interval, minus a random half at most. Never before `retry_after_s`
 * (0 or more), which counts up to a day.
 * `random` is any number. */
void schedule_next(struct schedule *schedule, int64_t now_us, bool succeeded,
                   int64_t interval_s, int64_t retry_after_s, uint32_t random);
