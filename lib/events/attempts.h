/* attempts.h: when something that could not be delivered is tried again: after 5 s, 5 and 30 minutes, 2, 5,
 * 10, 14, 20 and 24 hours, each counted from the attempt before. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Attempts of one delivery, the first one included; and the longest wait that a receiver can ask for. */
enum { ATTEMPTS_MAX = 10, ATTEMPT_WAIT_MAX_S = 24 * 3600 };

/* After `made` attempts (1 or more), when the next one is due: at the time of the schedule plus up to a
 * tenth of its step at random, so that deliveries that failed together are not repeated together. Not
 * before the receiver's `wait_s` (0: it asks for none) is over, which counts up to ATTEMPT_WAIT_MAX_S.
 * False when all attempts are used up. */
bool attempt_next(int64_t made, int64_t now_ms, int64_t wait_s, int64_t *due_ms);
