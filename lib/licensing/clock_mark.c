/* clock_mark.c: the highest clock ever seen, and its file. Allocates nothing of its own. */
#include "licensing/clock_mark.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "licensing/claims.h"

enum { LINE_MAX_BYTES = 192, SUM_DIGITS = 2 * SHA256_SIZE };

void
clock_mark_see(struct clock_mark *mark, int64_t now_s)
{
	/* A clock beyond the calendar is broken. */
	if (now_s > mark->seen_s && now_s < LICENSE_TIME_MAX)
		mark->seen_s = now_s;
}

void
clock_mark_sign(struct clock_mark *mark, int64_t signed_s)
{
	if (signed_s <= mark->signed_s)
		return;
	*mark = (struct clock_mark){signed_s, signed_s};
}

struct clock_mark
clock_mark_merge(struct clock_mark a, struct clock_mark b)
{
	if (a.signed_s != b.signed_s)
		return a.signed_s > b.signed_s ? a : b;
	return a.seen_s > b.seen_s ? a : b;
}

/* The line with its sum; false when OpenSSL has no memory. */
static bool
write_line(struct clock_mark mark, char out[static LINE_MAX_BYTES])
{
	int length = snprintf(out, LINE_MAX_BYTES, "license-clock 1 %" PRId64 " %" PRId64 " ",
	                      mark.signed_s, mark.seen_s);
	struct sha256 sum;

	if (!digest_try_sha256(out, (size_t)length, &sum))
		return false;
	for (size_t i = 0; i < SHA256_SIZE; i++)
		length += snprintf(out + length, LINE_MAX_BYTES - (size_t)length, "%02x",
		                   sum.bytes[i]);
	(void)snprintf(out + length, LINE_MAX_BYTES - (size_t)length, "\n");
	return true;
}

/* The text is exactly what write_line() writes. */
static bool
read_line(const char *text, struct clock_mark *out)
{
	char expected[LINE_MAX_BYTES], *end;

	if (strncmp(text, "license-clock 1 ", 16) != 0)
		return false;
	out->signed_s = strtoll(text + 16, &end, 10);
	out->seen_s = strtoll(end, NULL, 10);
	return out->signed_s >= 0 && out->signed_s <= LICENSE_TIME_MAX && out->seen_s >= 0 &&
	       out->seen_s <= LICENSE_TIME_MAX && write_line(*out, expected) &&
	       strcmp(text, expected) == 0;
}

bool
clock_mark_read(const char *path, struct clock_mark *out)
{
	char text[LINE_MAX_BYTES] = "";
	/* O_NONBLOCK: opening a FIFO must not wait. */
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	ssize_t length;

	*out = (struct clock_mark){0};
	if (file < 0)
		return false;
	length = read(file, text, sizeof(text) - 1);
	close(file);
	if (length <= 0 || memchr(text, '\0', (size_t)length) != NULL ||
	    !read_line(text, out)) {
		*out = (struct clock_mark){0};
		return false;
	}
	return true;
}

bool
clock_mark_write(const char *path, struct clock_mark mark)
{
	char line[LINE_MAX_BYTES], beside[PATH_MAX];
	int length = snprintf(beside, sizeof(beside), "%s.XXXXXX", path);
	struct stat there;
	bool fine;
	int file;

	/* A device or a folder at the path is a mistake and must not be replaced. */
	if (lstat(path, &there) == 0 && !S_ISREG(there.st_mode))
		return false;
	if (length < 0 || (size_t)length >= sizeof(beside) || !write_line(mark, line))
		return false;
	file = mkostemp(beside, O_CLOEXEC);
	if (file < 0)
		return false;
	fine = write(file, line, strlen(line)) == (ssize_t)strlen(line) &&
	       fchmod(file, S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH) == 0;
	fine = close(file) == 0 && fine;
	fine = fine && rename(beside, path) == 0;
	if (!fine)
		(void)unlink(beside);
	return fine;
}
