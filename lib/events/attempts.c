/* attempts.c: the schedule of attempts. It is the one of the Standard Webhooks specification. */
#include "events/attempts.h"

#include "base/clock.h"
#include "base/random.h"

/* Seconds from one attempt to the next: 5 s, 5 and 30 minutes, then 2, 5, 10, 14, 20 and 24 hours. */
static const int64_t steps_s[ATTEMPTS_MAX - 1] = {5,     300,   1800,  7200, 18000,
                                                  36000, 50400, 72000, 86400};

/* The wait that a receiver asks for, within its bounds. */
static int64_t
asked_ms(int64_t wait_s)
{
	if (wait_s < 0)
		return 0;
	return (wait_s < ATTEMPT_WAIT_MAX_S ? wait_s : ATTEMPT_WAIT_MAX_S) * SECOND_MS;
}

/* Between nothing and a tenth of the step. */
static int64_t
jitter_ms(int64_t step_ms)
{
	uint32_t number;

	random_bytes(&number, sizeof(number));
	return number % (step_ms / 10 + 1);
}

bool
attempt_next(int64_t made, int64_t now_ms, int64_t wait_s, int64_t *due_ms)
{
	int64_t step_ms, wait_ms;

	if (made < 1 || made >= ATTEMPTS_MAX)
		return false;
	step_ms = steps_s[made - 1] * SECOND_MS;
	wait_ms = asked_ms(wait_s);
	*due_ms = now_ms + (wait_ms > step_ms ? wait_ms : step_ms) + jitter_ms(step_ms);
	return true;
}
