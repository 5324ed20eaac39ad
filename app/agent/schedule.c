/* schedule.c: computes when to contact the service next. */
#include "agent/schedule.h"

static const int64_t second_us = 1000000;

static int64_t
smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* The longest wait after that many failures in a row. */
static int64_t
retry_s(int failures)
{
	int64_t wait = SCHEDULE_RETRY_FIRST_S;

	while (--failures > 0 && wait < SCHEDULE_RETRY_MAX_S)
		wait *= 2;
	return smaller(wait, SCHEDULE_RETRY_MAX_S);
}

/* A random part of the time, from `low` to `high` percent. */
static int64_t
spread(int64_t us, int64_t low, int64_t high, uint32_t random)
{
	return us / 100 * low + us / 100 * (high - low) / 1000 * (random % 1001);
}

void
schedule_next(struct schedule *schedule, int64_t now_us, bool succeeded, int64_t interval_s,
              int64_t retry_after_s, uint32_t random)
{
	int64_t wait_us, told_us = smaller(retry_after_s, SCHEDULE_TOLD_MAX_S) * second_us;

	if (succeeded) {
		schedule->failures = 0;
		wait_us = spread(interval_s * second_us, 90, 110, random);
	} else {
		if (schedule->failures < 1000)
			schedule->failures++;
		wait_us = spread(smaller(retry_s(schedule->failures), interval_s) * second_us,
		                 50, 100, random);
	}
	schedule->due_us = now_us + (wait_us < told_us ? told_us : wait_us);
}
