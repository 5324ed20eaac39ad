/*
 * schedule.h: when to do something next. Pure functions.
 */
#ifndef AGENT_SCHEDULE_H
#define AGENT_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

enum { SCHEDULE_RETRY_FIRST_S = 30, SCHEDULE_RETRY_MAX_S = 3600 };

struct schedule {
	int64_t due_us;
	int failures; /* in a row */
};

/*
 * Sets the next time: after a success the interval, a tenth more or less, so that a thousand
 * instances started together part; after a failure half a minute, doubled up to an hour (never more
 * than the interval), half of it by chance; never before `retry_after_s`. `chance` is any number.
 */
void schedule_next(struct schedule *schedule, int64_t now_us, bool fine, int64_t interval_s,
                   int64_t retry_after_s, uint32_t chance);

#endif
