/*
 * clock_mark.h: the highest clock ever seen, in memory and in a file, so that an expired
 * licence stays expired when the clock is set back.
 *
 * A newer time signed by the vendor starts the mark anew. That also repairs the mark of a
 * machine whose clock once was far ahead.
 *
 * The file is one line, "license-clock 1 <signed> <seen> <SHA-256 of what is before>". Any
 * other content counts as no file and is overwritten.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct clock_mark {
	int64_t signed_s; /* the newest time that the vendor signed, 0: none */
	int64_t seen_s;   /* the highest clock since that came, 0: none */
};

/* Records the clock's time. */
void clock_mark_see(struct clock_mark *mark, int64_t now_s);

/* Records a signed time. */
void clock_mark_sign(struct clock_mark *mark, int64_t signed_s);

/* The newer of two marks. */
struct clock_mark clock_mark_merge(struct clock_mark a, struct clock_mark b);

/* False, with an empty mark, when the file is missing or has other content. */
bool clock_mark_read(const char *path, struct clock_mark *out);

/* Replaces the file without waiting for the disk: after a power cut it may be the old one.
 * False when it cannot be written, or when the path is no regular file. */
bool clock_mark_write(const char *path, struct clock_mark mark);
