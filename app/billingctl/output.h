/* output.h: the answer of a command, printed as lines and a table or as JSON. */
#pragma once

#include "billingctl/ctl.h"

struct cell;
/* Named values in order. */
struct line {
	struct cell *first;
	struct cell **end;
	struct line *next;
};

/* An answer: named values, and at most one list of rows of the same named values. */
struct output {
	struct ctl *ctl;
	struct task *task;
	bool json;
	struct line *record;
	struct line *current; /* where values go to: the record or the last row */
	const char *list;     /* the list's name, or NULL */
	const char *none;     /* a sentence for people when the list is empty */
	struct line *rows;
	struct line *last;
	const char *tail; /* for people, behind everything else; or NULL */
};

struct output output_new(struct ctl *ctl);

/* One value, of the current row if there is one. Names are as in JSON; NULL is no value. */
void output_text(struct output *output, const char *name, const char *value);
void output_int(struct output *output, const char *name, int64_t value);
void output_bool(struct output *output, const char *name, bool value);
void output_time(struct output *output, const char *name, struct instant value);
/* The value, or the file that it was written to when `path` is not NULL. */
void output_text_or_file(struct output *output, const char *name, const char *value,
                         const char *path_name, const char *path);
/* JSON text, for JSON only. */
void output_raw(struct output *output, const char *name, const char *value);

/* A JSON text that was received before, which people get indented behind everything else.
 * False, and null, when it is NULL or no JSON. */
bool output_document(struct output *output, const char *name, const char *text);
/* Lines of text, which people get behind everything else. */
void output_lines(struct output *output, const char *name, const char *lines);
/* Lines for people only, behind everything else. */
void output_tail(struct output *output, const char *lines);

/* A copy in which no byte moves the terminal's cursor; NULL becomes "-". */
const char *output_printable(struct arena *arena, const char *value);

void output_list(struct output *output, const char *name);
/* Replaces what people read for an empty list, "No customers."; NULL: nothing. */
void output_none(struct output *output, const char *sentence);
void output_row(struct output *output);
/* Ends the list: later values belong to the answer itself. */
void output_list_end(struct output *output);

/* Writes it to stdout, once ctl_confirm() has succeeded. FAIL_UNAVAILABLE "stdout_unwritable". */
enum fail output_print(struct output *output) MUST_CHECK;

/* As output_print(): a line to the file (mode 0600), or to stdout when `path` is NULL. */
enum fail output_write(struct ctl *ctl, const char *path, const char *text) MUST_CHECK;

/* Checks that everything printed has reached stdout; same failure. */
enum fail output_flush(struct task *task) MUST_CHECK;
