/* clock.h: wall time as milliseconds since 1970 (UTC), durations as monotonic microseconds. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* A point in time, or none. Its own type so that tables can tell it from a number. */
struct instant {
	bool known;
	int64_t ms;
};

#define INSTANT_NONE ((struct instant){false, 0})
#define INSTANT_MS(ms_) ((struct instant){true, (ms_)})
#define SECOND_MS ((int64_t)1000)
#define HOUR_MS (3600 * SECOND_MS)
#define DAY_MS (24 * HOUR_MS)

/* 10000-01-01T00:00:00Z, in seconds. Times below it can be added to without overflow. */
#define CLOCK_END_S INT64_C(253402300800)

enum { CLOCK_TEXT_SIZE = 32 };

int64_t clock_now_ms(void);
int64_t clock_monotonic_us(void);

/* "2025-02-15T00:00:00.000Z" (RFC 3339, section 5.6); years 0001 to 9999, else clamped. */
void clock_format(int64_t ms, char out[static CLOCK_TEXT_SIZE]);

/* RFC 3339 with any offset and up to nine decimals; false when it is anything else. */
bool clock_parse(const char *string, int64_t *out_ms);
