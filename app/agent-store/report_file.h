/* report_file.h: reads and writes usage reports as files in the folder. */
#pragma once

#include "agent-store/state.h"
#include "agent-store/tally.h"

enum { REPORT_NUMBER_DIGITS = 18 };

/* One report; `first` is below `number` when it was merged from several. */
struct report {
	int64_t first, number;
	const char *report_id;
	struct instant reported_at;
	struct tally tally;
};

/* The name of an unsent report's file: usage/<number>.json. */
const char *report_file_name(struct arena *arena, int64_t number);

/* The object in a file, and its "number"; false when there is none, or no valid number. */
bool report_file_number(struct task *task, const struct state *state, const char *name,
                        struct json_view *object, int64_t *number);

/* The member "tally" of an object in a file, and "version" beside it; false when it is not valid. */
bool report_file_tally(struct task *task, const struct json_view *object, struct tally *out);
void report_file_write_tally(struct json_out *json, const struct tally *tally);

/* The report in a file; false when there is none, or no valid one. */
bool report_file_read(struct task *task, const struct state *state, const char *name,
                      struct report *out);

/* Writes the report to a file; `why` says why it was refused, NULL: it was not. */
enum fail report_file_write(struct task *task, const struct state *state, const char *name,
                            const struct report *report, const char *why) MUST_CHECK;

/* Writes an unsent report under its name. */
enum fail report_file_keep(struct task *task, const struct state *state,
                           const struct report *report) MUST_CHECK;

enum fail report_file_remove(struct task *task, const struct state *state,
                             int64_t number) MUST_CHECK;

/* A new id: the sender, the numbers that the report covers, and a random part, as numbers begin at 1
 * again when the folder is lost. */
const char *report_make_id(struct arena *arena, const struct state *state,
                           const struct report *report);

/* Writes the report's members of POST /api/usage/reports, without customer and instance. */
void report_write(const struct report *report, struct json_out *json);
