/* templates.c: reads the templates of notices, judges them, and puts values in. */
#include "notices/templates.h"

#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/suggestion.h"
#include "base/text.h"

enum { TEMPLATE_MAX = 16 * 1024, LINE_MAX_BYTES = 500, SUBJECT_MAX = 200 };

#define SUBJECT "Subject: "
#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyz_"

static enum fail
fault(struct task *task, const char *path, size_t line, const char *reason)
{
	return task_fail(task, FAIL_INVALID, "mail_template_invalid", "%s:%zu: %s", path, line,
	                 reason);
}

/* The placeholder is one of the kind's; `*cursor` stands behind its brace and moves behind its end. */
static const char *
check_placeholder(struct arena *arena, enum notice_kind kind, const char **cursor)
{
	size_t length = strspn(*cursor, NAME_CHARACTERS);
	uint64_t known = notice_kinds[kind].fields;
	enum notice_field field = notice_field_of(*cursor, length);
	struct suggestion suggestion = suggestion_begin(*cursor, length);

	if (length == 0 || (*cursor)[length] != '}')
		return "a brace begins no placeholder; write {{ for a brace";
	if (field < NOTICE_FIELDS && (known >> field & 1) != 0) {
		*cursor += length + 1;
		return NULL;
	}
	for (size_t i = 0; i < NOTICE_FIELDS; i++)
		if ((known >> i & 1) != 0)
			suggestion_offer(&suggestion, notice_fields[i].name);
	return arena_printf(arena, "this template has no placeholder {%.*s}%s", (int)length,
	                    *cursor, suggestion_question(arena, &suggestion));
}

/* One line, which ends with a NUL. */
static const char *
check_line(struct arena *arena, enum notice_kind kind, const char *line)
{
	if (!text_is_utf8(line, strlen(line)))
		return "the text is not UTF-8";
	if (strlen(line) > LINE_MAX_BYTES)
		return "the line is longer than 500 bytes";
	while (*line != '\0') {
		char byte = *line++;

		if ((unsigned char)byte < ' ' && byte != '\t')
			return "a control character";
		if (byte == '{' && *line == '{') {
			line++;
		} else if (byte == '{') {
			const char *reason = check_placeholder(arena, kind, &line);

			if (reason != NULL)
				return reason;
		}
	}
	return NULL;
}

/* Cuts the next line off; NULL at the end. A carriage return before the end is not part of it. */
static char *
next_line(char **rest)
{
	char *line = *rest, *end = strchr(line, '\n');

	if (*line == '\0')
		return NULL;
	*rest = end == NULL ? line + strlen(line) : end + 1;
	if (end == NULL)
		end = *rest;
	if (end > line && end[-1] == '\r')
		end--;
	*end = '\0';
	return line;
}

static enum fail
read_text(struct task *task, const char *path, enum notice_kind kind, char *rest,
          struct notice_template *out)
{
	struct text body = text_new(task->arena, 1024);
	const char *line = next_line(&rest), *reason;

	if (line == NULL || !text_starts_with(line, SUBJECT) || line[strlen(SUBJECT)] == '\0')
		return fault(task, path, 1, "the first line must be \"Subject: ...\"");
	out->subject = line + strlen(SUBJECT);
	for (size_t number = 1; line != NULL; line = next_line(&rest), number++) {
		reason = check_line(task->arena, kind, line);
		if (reason != NULL)
			return fault(task, path, number, reason);
		if (number == 1 || (body.length == 0 && *line == '\0'))
			continue;
		text_add(&body, line);
		text_add_char(&body, '\n');
	}
	out->body = body.data;
	return body.length > 0 ? FAIL_NONE : fault(task, path, 2, "there is no text");
}

static enum fail
load(struct task *task, const char *folder, enum notice_kind kind, struct notice_template *out)
{
	const char *path =
	        arena_printf(task->arena, "%s/%s.txt", folder, notice_kinds[kind].name);
	size_t length;
	char *text;

	TRY(file_read(task, path, TEMPLATE_MAX, &text, &length));
	if (strlen(text) != length)
		return fault(task, path, 1, "the file has a NUL");
	return read_text(task, path, kind, text, out);
}

enum fail
notice_templates_load(struct task *task, const char *folder, struct notice_templates *out)
{
	for (enum notice_kind kind = 0; kind < NOTICE_KINDS; kind++)
		TRY(load(task, folder, kind, &out->kinds[kind]));
	return FAIL_NONE;
}

/* Whether the text has the placeholder. Two braces are one that is written. */
static bool
has_field(const char *text, enum notice_field field)
{
	while ((text = strchr(text, '{')) != NULL) {
		size_t length = strspn(++text, NAME_CHARACTERS);

		if (*text == '{')
			text++;
		else if (notice_field_of(text, length) == field)
			return true;
	}
	return false;
}

bool
notice_template_has(const struct notice_template *template, enum notice_field field)
{
	return has_field(template->subject, field) || has_field(template->body, field);
}

/* Only a list has lines of its own: no other value can look like a further paragraph. */
static void
add_value(struct text *out, const char *value, bool lines)
{
	for (; *value != '\0'; value++) {
		bool control = (unsigned char)*value < ' ' || *value == 0x7f;

		text_add_char(out, control && !(lines && *value == '\n') ? ' ' : *value);
	}
}

/* Adds the line up to `end`; false when a placeholder has no value. */
static bool
add_line(struct text *out, const char *line, const char *end,
         const struct notice_values *values, bool lines)
{
	bool whole = true;

	while (line < end) {
		enum notice_field field;
		const char *value;
		size_t length;

		if (*line != '{' || line[1] == '{') {
			line += *line == '{' ? 1 : 0;
			text_add_char(out, *line++);
			continue;
		}
		length = strspn(line + 1, NAME_CHARACTERS);
		field = notice_field_of(line + 1, length);
		value = values->of[field];
		if (value == NULL || *value == '\0')
			whole = false;
		else
			add_value(out, value, lines && notice_fields[field].is_list);
		line += length + 2;
	}
	return whole;
}

static void
cut(struct text *text, size_t length)
{
	text->length = length;
	text->data[length] = '\0';
}

/* The body is empty so far, or ends with an empty line. */
static bool
ends_blank(const struct text *body)
{
	return body->length == 0 || (body->length >= 2 && body->data[body->length - 2] == '\n');
}

void
notice_template_fill(struct arena *arena, const struct notice_template *template,
                     const struct notice_values *values, struct notice_text *out)
{
	struct text subject = text_new(arena, 256), body = text_new(arena, 2048);
	const char *line = template->subject, *end;

	(void)add_line(&subject, line, line + strlen(line), values, false);
	if (subject.length > SUBJECT_MAX)
		cut(&subject, text_cut(subject.data, SUBJECT_MAX));
	/* A line that is left out leaves no second empty line. */
	for (line = template->body; *line != '\0'; line = end + 1) {
		size_t before = body.length;

		end = line + strcspn(line, "\n");
		if ((line == end && ends_blank(&body)) ||
		    !add_line(&body, line, end, values, true))
			cut(&body, before);
		else
			text_add_char(&body, '\n');
	}
	if (body.length >= 2 && ends_blank(&body))
		cut(&body, body.length - 1);
	*out = (struct notice_text){subject.data, body.data};
}
