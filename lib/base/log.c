/* log.c: one JSON object a line on stderr, in one write(2) so that processes never mix. */
#include "base/log.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

const char *const log_level_names[] = {"error", "warning", "info", "debug", NULL};

/* Static, as lines may be written before anything else of the process exists. */
static enum log_level max_level = LOG_LEVEL_INFO;

/* Lines have at most this size: PIPE_BUF keeps writes to a pipe whole. */
struct line {
	char bytes[4096];
	size_t length;
	bool full; /* something did not fit since this was last cleared */
};

/* A long text is cut at CUT, which leaves room for the short members behind it. */
enum { TAIL = 2, CUT = 3500 };

static void
line_add(struct line *line, const char *bytes, size_t length)
{
	if (length > sizeof(line->bytes) - TAIL - line->length) {
		line->full = true;
		return;
	}
	memcpy(line->bytes + line->length, bytes, length);
	line->length += length;
}

/* The bytes from `at` that need no escape, `max` at most. */
static size_t
plain_span(const char *at, size_t max)
{
	size_t span = 0;

	while (span < max && at[span] >= 0x20 && at[span] < 0x7f && at[span] != '"' &&
	       at[span] != '\\')
		span++;
	return span;
}

/* Escapes everything but printable ASCII, so that no value can forge a line or a terminal code.
 * Stops once the line has `cut` bytes. */
static void
line_add_quoted(struct line *line, const char *value, size_t cut)
{
	line_add(line, "\"", 1);
	while (*value != '\0' && line->length < cut && !line->full) {
		size_t span = plain_span(value, cut - line->length);
		unsigned char byte = (unsigned char)value[span];
		char escaped[8];

		line_add(line, value, span);
		value += span;
		if (byte == '\0' || line->length >= cut || line->full)
			break;
		if (byte == '"' || byte == '\\')
			(void)snprintf(escaped, sizeof(escaped), "\\%c", byte);
		else
			(void)snprintf(escaped, sizeof(escaped), "\\u%04x", byte);
		line_add(line, escaped, strlen(escaped));
		value++;
	}
	line_add(line, "\"", 1);
}

static void
line_add_value(struct line *line, const struct log_member *member, size_t cut)
{
	char number[48];

	if (member->type == LOG_TEXT) {
		line_add_quoted(line, member->text, cut);
		return;
	}
	if (member->type == LOG_MILLISECONDS)
		(void)snprintf(number, sizeof(number), "%lld.%03lld",
		               (long long)member->number / 1000,
		               (long long)member->number % 1000);
	else
		(void)snprintf(number, sizeof(number), "%lld", (long long)member->number);
	line_add(line, number, strlen(number));
}

static void
line_add_member(struct line *line, const struct log_member *member)
{
	size_t start = line->length;
	/* A member in the second half of a line is left out unless it fits whole. */
	size_t cut = start < sizeof(line->bytes) / 2 ? CUT : sizeof(line->bytes);

	if (member->type == LOG_TEXT && member->text == NULL)
		return;
	line->full = false;
	line_add(line, ",", 1);
	line_add_quoted(line, member->name, sizeof(line->bytes));
	line_add(line, ":", 1);
	line_add_value(line, member, cut);
	if (line->full)
		line->length = start;
}

void
log_write(enum log_level level, const char *message, const struct log_member *members)
{
	struct line line = {.length = 0};
	char time[CLOCK_TEXT_SIZE];

	if (level > max_level)
		return;
	clock_format(clock_now_ms(), time);
	line_add(&line, "{\"time\":", 8);
	line_add_quoted(&line, time, sizeof(line.bytes));
	line_add_member(&line, &LOG_S("level", log_level_names[level]));
	line_add_member(&line, &LOG_S("message", message));
	for (; members->type != LOG_END; members++)
		line_add_member(&line, members);
	memcpy(line.bytes + line.length, "}\n", 2);
	/* A log that cannot be written must not stop the service. */
	if (write(STDERR_FILENO, line.bytes, line.length + 2) < 0)
		return;
}

void
log_set_level(enum log_level level)
{
	max_level = level;
}

void
log_set_level_named(const char *name)
{
	for (enum log_level level = 0; level < LOG_LEVEL_COUNT; level++)
		if (strcmp(log_level_names[level], name) == 0)
			max_level = level;
}
