/* spool.c: keeps usage on disk until the service has it. */
#include "agent-store/spool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent-store/known_metrics.h"
#include "agent-store/spool_progress.h"
#include "agent-store/spool_refused.h"
#include "base/arena.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"

static const char current_name[] = "usage/current.json";

static enum fail
write_current(struct task *task, const struct spool *spool)
{
	struct json_out json = json_out_new(task->arena, 512);

	json_out_open(&json, NULL, '{');
	json_out_int(&json, "number", spool->number);
	json_out_bool(&json, "posted", spool->posted);
	report_file_write_tally(&json, &spool->current);
	return state_keep_json(task, spool->state, current_name, &json);
}

/* The number in a report's file name, or -1. */
static int64_t
number_of(const char *name)
{
	int64_t number;

	if (strspn(name, "0123456789") != REPORT_NUMBER_DIGITS ||
	    strcmp(name + REPORT_NUMBER_DIGITS, ".json") != 0)
		return -1;
	number = strtoll(name, NULL, 10);
	return number <= REPORT_NUMBER_MAX ? number : -1;
}

/* The numbers of the files in the folder, sorted as the file names are. */
static enum fail
list_numbers(struct task *task, const struct state *state, int64_t **out, size_t *count)
{
	const char *const *names = NULL;
	size_t files = 0;

	TRY(file_list(task, state_path(task->arena, state, "usage"), ".json", &names, &files));
	*out = arena_array(task->arena, files + 1, sizeof(**out));
	*count = 0;
	for (size_t i = 0; i < files; i++) {
		int64_t number = number_of(names[i]);

		if (number >= 0)
			(*out)[(*count)++] = number;
	}
	return FAIL_NONE;
}

/* Renames a file that has a report's name but no valid report in it. */
static void
set_aside(struct task *task, const struct state *state, const char *name)
{
	const char *from = state_path(task->arena, state, name);

	log_line(LOG_LEVEL_ERROR, "an unsent report is damaged; it is set aside",
	         LOG_S("file", from));
	(void)rename(from, arena_printf(task->arena, "%s.damaged", from));
}

/* Drops reports that a later one covers: a crash in merge() leaves them behind. */
static enum fail
drop_covered(struct task *task, const struct state *state, struct report *reports,
             size_t *count)
{
	int64_t covered_from = INT64_MAX;
	size_t kept = *count;

	for (size_t i = *count; i-- > 0;) {
		if (reports[i].number >= covered_from) {
			TRY(report_file_remove(task, state, reports[i].number));
			continue;
		}
		covered_from = reports[i].first;
		reports[--kept] = reports[i];
	}
	memmove(reports, reports + kept, (*count - kept) * sizeof(*reports));
	*count -= kept;
	return FAIL_NONE;
}

enum fail
spool_list(struct task *task, const struct state *state, struct report **out, size_t *count)
{
	size_t names = 0;
	int64_t *numbers = NULL;

	TRY(list_numbers(task, state, &numbers, &names));
	*out = arena_array(task->arena, names + 1, sizeof(**out));
	*count = 0;
	for (size_t i = 0; i < names; i++) {
		const char *name = report_file_name(task->arena, numbers[i]);
		struct report *report = &(*out)[*count];

		if (report_file_read(task, state, name, report) && report->number == numbers[i])
			++*count;
		else
			set_aside(task, state, name);
	}
	return drop_covered(task, state, *out, count);
}

/* The highest number in use. */
static int64_t
last_number(struct task *task, const struct state *state)
{
	struct task reading = task_attempt(task);
	int64_t *numbers = NULL, last = spool_sent(task, state);
	size_t count = 0;

	if (list_numbers(&reading, state, &numbers, &count) == FAIL_NONE && count > 0 &&
	    numbers[count - 1] > last)
		last = numbers[count - 1];
	return last;
}

void
spool_open(struct task *task, const struct state *state, struct spool *out)
{
	int64_t last = last_number(task, state);
	struct json_view object;

	*out = (struct spool){.state = state};
	if (!report_file_number(task, state, current_name, &object, &out->number) ||
	    !report_file_tally(task, &object, &out->current) ||
	    !json_view_bool(&object, "posted", &out->posted)) {
		if (*state_text(task, state, current_name) != '\0')
			log_line(LOG_LEVEL_ERROR, "the counts since the last report are lost");
		*out = (struct spool){.state = state, .number = last + 1};
	} else if (out->number <= last) {
		/* A crash after writing the report left the old current.json. */
		out->number = last + 1;
		out->posted = false;
		tally_reset(&out->current);
	}
}

enum fail
spool_post(struct task *task, struct spool *spool, const struct json_view *body)
{
	struct spool after = *spool;

	TRY(tally_add(task, &after.current, body));
	TRY(known_metrics_check(task, spool->state, body));
	after.posted = true;
	TRY(write_current(task, &after));
	*spool = after;
	return FAIL_NONE;
}

enum fail
spool_make_report(struct task *task, struct spool *spool, int64_t now_ms)
{
	struct report report = {.first = spool->number,
	                        .number = spool->number,
	                        .reported_at = INSTANT_MS(now_ms),
	                        .tally = spool->current};

	if (!spool->posted)
		return FAIL_NONE;
	report.report_id = report_make_id(task->arena, spool->state, &report);
	TRY(report_file_keep(task, spool->state, &report));
	spool->number++;
	spool->posted = false;
	tally_reset(&spool->current);
	/* If this fails, spool_open() finds the report and drops the counts. */
	return write_current(task, spool);
}

enum fail
spool_done(struct task *task, const struct state *state, const struct report *report)
{
	/* The number comes first: it must never be used again. */
	TRY(spool_record_sent(task, state, report->number));
	return report_file_remove(task, state, report->number);
}

static bool
same_day(const struct report *a, const struct report *b)
{
	return a->reported_at.ms / DAY_MS == b->reported_at.ms / DAY_MS;
}

/* Merges reports[from, to) into the last of them, then removes the others. After a crash
 * drop_covered() removes them, as the merged report covers their numbers. */
static enum fail
merge(struct task *task, const struct state *state, struct report *reports, size_t from,
      size_t to)
{
	struct report *last = &reports[to - 1];
	struct tally tally = reports[from].tally;

	for (size_t i = from + 1; i < to; i++)
		tally_merge(&tally, &reports[i].tally);
	last->tally = tally;
	last->first = reports[from].first;
	last->report_id = report_make_id(task->arena, state, last);
	TRY(report_file_keep(task, state, last));
	for (size_t i = from; i < to - 1; i++)
		TRY(report_file_remove(task, state, reports[i].number));
	return FAIL_NONE;
}

enum fail
spool_compact(struct task *task, const struct state *state, size_t max)
{
	int64_t in_flight = spool_in_flight(task, state);
	struct report *reports = NULL;
	size_t count = 0;

	TRY(spool_list(task, state, &reports, &count));
	if (count <= max)
		return FAIL_NONE;
	for (size_t from = 0; from < count && count > max; from++) {
		size_t to = from + 1;

		if (reports[from].number <= in_flight)
			continue;
		while (to < count && same_day(&reports[from], &reports[to]))
			to++;
		if (to - from < 2)
			continue;
		TRY(merge(task, state, reports, from, to));
		memmove(&reports[from], &reports[to - 1], (count - to + 1) * sizeof(*reports));
		count -= to - from - 1;
	}
	for (size_t i = 0; count > max; i++, count--) {
		log_line(LOG_LEVEL_ERROR,
		         "the oldest unsent report is dropped: the buffer is full",
		         LOG_I("number", reports[i].number));
		TRY(report_file_remove(task, state, reports[i].number));
	}
	return FAIL_NONE;
}

/* Gives a refused report the next number and a new id: the service may have stored the rest of the
 * old one. It leaves its old name with one rename, so after a crash it counts once. */
static enum fail
retry_one(struct task *task, struct spool *spool, const char *name, struct report *report)
{
	const char *from = state_path(task->arena, spool->state, name);
	struct spool after = *spool;

	report->first = report->number = after.number++;
	report->report_id = report_make_id(task->arena, spool->state, report);
	/* With the old number in current.json, spool_open() would drop the counts in it. */
	TRY(write_current(task, &after));
	*spool = after;
	TRY(report_file_write(task, spool->state, name, report, NULL));
	if (rename(from, state_path(task->arena, spool->state,
	                            report_file_name(task->arena, report->number))) == 0)
		return FAIL_NONE;
	return file_unwritable(task, from, errno);
}

enum fail
spool_retry(struct task *task, struct spool *spool, size_t *retried)
{
	const char *const *names = NULL;
	struct report report;
	size_t count = 0;

	*retried = 0;
	TRY(spool_list_refused(task, spool->state, &names, &count));
	for (size_t i = 0; i < count; i++) {
		if (!report_file_read(task, spool->state, names[i], &report))
			continue;
		TRY(retry_one(task, spool, names[i], &report));
		++*retried;
	}
	return FAIL_NONE;
}
