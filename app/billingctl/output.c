/* output.c: prints the answer of a command as lines and a table, or as JSON. */
#include "billingctl/output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"
#include "billing/unicode.h"
#include "json/gate.h"
#include "json/out.h"

struct cell {
	const char *name;
	const char *shown; /* for people; NULL: JSON only */
	const char *json;
	struct cell *next;
};

enum { COLUMNS_MAX = 16 };

static struct line *
new_line(struct task *task)
{
	struct line *line = arena_alloc(task->arena, sizeof(*line));

	line->end = &line->first;
	return line;
}

struct output
output_new(struct ctl *ctl)
{
	struct line *record = new_line(&ctl->task);

	return (struct output){.ctl = ctl,
	                       .task = &ctl->task,
	                       .json = ctl->json,
	                       .record = record,
	                       .current = record};
}

const char *
output_printable(struct arena *arena, const char *value)
{
	return unicode_escape(arena, value == NULL ? "-" : value, "");
}

static void
add(struct output *output, const char *name, const char *shown, const char *json)
{
	struct cell *cell = arena_alloc(output->task->arena, sizeof(*cell));

	*cell = (struct cell){.name = name, .shown = shown, .json = json};
	*output->current->end = cell;
	output->current->end = &cell->next;
}

void
output_text(struct output *output, const char *name, const char *value)
{
	struct text quoted = text_new(output->task->arena, 64);

	if (value == NULL) {
		add(output, name, "-", "null");
		return;
	}
	json_out_quote(&quoted, value);
	add(output, name, output_printable(output->task->arena, value), quoted.data);
}

void
output_int(struct output *output, const char *name, int64_t value)
{
	const char *digits = arena_printf(output->task->arena, "%lld", (long long)value);

	add(output, name, digits, digits);
}

void
output_bool(struct output *output, const char *name, bool value)
{
	add(output, name, value ? "yes" : "no", value ? "true" : "false");
}

void
output_time(struct output *output, const char *name, struct instant value)
{
	char text[CLOCK_TEXT_SIZE];

	if (value.known)
		clock_format(value.ms, text);
	output_text(output, name, value.known ? text : NULL);
}

void
output_text_or_file(struct output *output, const char *name, const char *value,
                    const char *path_name, const char *path)
{
	output_text(output, path == NULL ? name : path_name, path == NULL ? value : path);
}

void
output_raw(struct output *output, const char *name, const char *value)
{
	add(output, name, NULL, value);
}

/* Our own reader builds no trees; json-c writes documents for people. */
static struct json_object *
tree_of(const char *text)
{
	struct json_tokener *tokener = json_tokener_new_ex(JSON_FOREIGN_DEPTH + 2);
	struct json_object *tree;

	if (tokener == NULL)
		return NULL;
	tree = json_tokener_parse_ex(tokener, text, -1);
	json_tokener_free(tokener);
	return tree;
}

bool
output_document(struct output *output, const char *name, const char *text)
{
	const int shape = JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
	                  JSON_C_TO_STRING_NOSLASHESCAPE;
	struct arena *arena = output->task->arena;
	struct json_object *tree = text == NULL ? NULL : tree_of(text);

	if (tree == NULL) {
		output_raw(output, name, "null");
		return false;
	}
	output_raw(output, name,
	           arena_copy(arena, json_object_to_json_string_ext(
	                                     tree, JSON_C_TO_STRING_NOSLASHESCAPE)));
	output_tail(output, json_object_to_json_string_ext(tree, shape));
	json_object_put(tree);
	return true;
}

void
output_lines(struct output *output, const char *name, const char *lines)
{
	struct text quoted = text_new(output->task->arena, 256);

	json_out_quote(&quoted, lines);
	output_raw(output, name, quoted.data);
	if (*lines != '\0')
		output_tail(output, arena_printf(output->task->arena, "\n%s", lines));
}

void
output_tail(struct output *output, const char *lines)
{
	output->tail = unicode_escape(output->task->arena, lines, "\n");
}

void
output_list(struct output *output, const char *name)
{
	output->list = name;
	output->none = arena_printf(output->task->arena, "No %s.", name);
}

void
output_none(struct output *output, const char *sentence)
{
	output->none = sentence;
}

void
output_row(struct output *output)
{
	struct line *row = new_line(output->task);

	if (output->last == NULL)
		output->rows = row;
	else
		output->last->next = row;
	output->last = output->current = row;
}

void
output_list_end(struct output *output)
{
	output->current = output->record;
}

/* In JSON, too, a terminal gets only what prints; to a reader of JSON it is the same. */
static void
print_members(const struct output *output, const struct line *line)
{
	for (const struct cell *c = line->first; c != NULL; c = c->next)
		printf("%s\"%s\":%s", c == line->first ? "" : ",", c->name,
		       unicode_escape(output->task->arena, c->json, ""));
}

static void
print_json(const struct output *output)
{
	putchar('{');
	print_members(output, output->record);
	if (output->list != NULL) {
		printf("%s\"%s\":[", output->record->first == NULL ? "" : ",", output->list);
		for (const struct line *row = output->rows; row != NULL; row = row->next) {
			fputs(row == output->rows ? "{" : ",{", stdout);
			print_members(output, row);
			putchar('}');
		}
		putchar(']');
	}
	puts("}");
}

/* printf() pads by bytes; columns need characters. */
static void
print_padded(const char *text, size_t width)
{
	size_t characters = text_characters(text);

	fputs(text, stdout);
	for (; characters < width + 2; characters++)
		putchar(' ');
}

static void
measure(const struct line *rows, size_t widths[COLUMNS_MAX])
{
	for (const struct line *row = rows; row != NULL; row = row->next) {
		size_t column = 0;

		for (const struct cell *c = row->first; c != NULL; c = c->next, column++) {
			size_t width = text_characters(c->shown);

			if (row == rows && strlen(c->name) > width)
				width = strlen(c->name);
			if (column < COLUMNS_MAX && width > widths[column])
				widths[column] = width;
		}
	}
}

static void
print_row(const struct line *row, const size_t widths[COLUMNS_MAX], bool heading)
{
	size_t column = 0;

	for (const struct cell *c = row->first; c != NULL; c = c->next, column++) {
		const char *text = heading ? c->name : c->shown;

		if (c->next == NULL)
			puts(text);
		else
			print_padded(text, column < COLUMNS_MAX ? widths[column] : 0);
	}
}

static void
print_table(const struct line *rows)
{
	size_t widths[COLUMNS_MAX] = {0};

	measure(rows, widths);
	print_row(rows, widths, true);
	for (const struct line *row = rows; row != NULL; row = row->next)
		print_row(row, widths, false);
}

static void
print_lines(const struct line *record)
{
	size_t width = 0;

	for (const struct cell *c = record->first; c != NULL; c = c->next)
		if (strlen(c->name) > width)
			width = strlen(c->name);
	for (const struct cell *c = record->first; c != NULL; c = c->next) {
		if (c->shown == NULL)
			continue;
		print_padded(c->name, width);
		puts(c->shown);
	}
}

enum fail
output_flush(struct task *task)
{
	if (fflush(stdout) == 0 && ferror(stdout) == 0)
		return FAIL_NONE;
	return task_fail(task, FAIL_UNAVAILABLE, "stdout_unwritable",
	                 "The answer cannot be written to stdout: %s.", strerror(errno));
}

enum fail
output_write(struct ctl *ctl, const char *path, const char *text)
{
	const char *line = arena_printf(ctl->task.arena, "%s\n", text);

	TRY(ctl_confirm(ctl));
	if (path != NULL)
		return file_write(&ctl->task, path, 0600, line, strlen(line), true);
	fputs(line, stdout);
	return output_flush(&ctl->task);
}

enum fail
output_print(struct output *output)
{
	TRY(ctl_confirm(output->ctl));
	if (output->json) {
		print_json(output);
	} else {
		if (output->rows != NULL)
			print_table(output->rows);
		else if (output->none != NULL)
			puts(output->none);
		print_lines(output->record);
		if (output->tail != NULL)
			puts(output->tail);
	}
	return output_flush(output->task);
}
