/* settings.c: reads a settings file and the environment into a struct, by a table. */
#include "base/settings.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/suggestion.h"
#include "base/text.h"

enum { FILE_LIMIT = 64 * 1024, SLIP_MIN_LENGTH = 8, SLIP_PREFIX = 4 };

/* One NAME=value of the file. */
struct line {
	const char *name;
	const char *value;
	size_t number;
	struct line *next;
};

static const struct setting *
find_setting(const struct setting *table, const char *name, size_t length)
{
	for (; table->type != SETTING_STOP; table++) {
		size_t known = strlen(table->name);

		if (strncmp(table->name, name, known) != 0)
			continue;
		if (length == known)
			return table;
		if (table->secret && length == known + 5 &&
		    strncmp(name + known, "_FILE", 5) == 0)
			return table;
	}
	return NULL;
}

static enum fail
bad_setting(struct task *task, const char *name, const char *place, const char *why)
{
	return task_fail(task, FAIL_INVALID, "invalid_setting", "setting %s (%s) %s", name,
	                 place, why);
}

/* Strips blanks at both ends, and one pair of quotes. */
static const char *
trim(struct arena *arena, const char *text, size_t length)
{
	while (length > 0 && isspace((unsigned char)*text)) {
		text++;
		length--;
	}
	while (length > 0 && isspace((unsigned char)text[length - 1]))
		length--;
	if (length >= 2 && (*text == '"' || *text == '\'') && text[length - 1] == *text) {
		text++;
		length -= 2;
	}
	return arena_copy_bytes(arena, text, length);
}

/* Whether the setting is a secret of a kind that is not wanted. */
static bool
is_withheld(const struct setting *setting, unsigned int secrets)
{
	return setting->secret != 0 && (setting->secret & secrets) == 0;
}

/* Finds the setting that the name misspells. */
static struct suggestion
find_suggestion(struct arena *arena, const struct setting *table, const char *name,
                size_t length)
{
	struct suggestion suggestion = suggestion_begin(name, length);

	for (; table->type != SETTING_STOP; table++) {
		suggestion_offer(&suggestion, table->name);
		if (table->secret != 0)
			suggestion_offer(&suggestion,
			                 arena_printf(arena, "%s_FILE", table->name));
	}
	return suggestion;
}

/* Names the program that lists the settings, unless a name is near. */
static const char *
unknown(struct arena *arena, const struct setting *table, const struct suggestion *suggestion)
{
	while (table->type != SETTING_STOP)
		table++;
	return arena_printf(
	        arena, "is unknown%s",
	        suggestion->found != NULL
	                ? suggestion_question(arena, suggestion)
	                : arena_printf(arena, "; %s --settings lists them all", table->name));
}

static enum fail
parse_line(struct task *task, const struct setting *table, unsigned int secrets,
           const char *path, const char *text, size_t length, struct line *out)
{
	const char *equals = memchr(text, '=', length);
	const char *place = arena_printf(task->arena, "%s line %zu", path, out->number);
	const struct setting *setting;

	if (equals == NULL)
		return task_fail(task, FAIL_INVALID, "invalid_setting",
		                 "%s: expected NAME=value", place);
	out->name = trim(task->arena, text, (size_t)(equals - text));
	setting = find_setting(table, out->name, strlen(out->name));
	if (setting == NULL) {
		const struct suggestion suggestion =
		        find_suggestion(task->arena, table, out->name, strlen(out->name));

		return bad_setting(task, out->name, place,
		                   unknown(task->arena, table, &suggestion));
	}
	if (!is_withheld(setting, secrets))
		out->value =
		        trim(task->arena, equals + 1, length - (size_t)(equals - text) - 1);
	return FAIL_NONE;
}

static enum fail
parse_lines(struct task *task, const struct setting *table, unsigned int secrets,
            const char *path, const char *text, struct line **out)
{
	struct line *lines = NULL;
	size_t number = 0;
	while (*text != '\0') {
		size_t span = strcspn(text, "\n");
		size_t blank = strspn(text, " \t\r");

		number++;
		if (blank < span && text[blank] != '#') {
			struct line *line = arena_alloc(task->arena, sizeof(*line));

			line->number = number;
			TRY(parse_line(task, table, secrets, path, text, span, line));
			line->next = lines;
			lines = line;
		}
		text += span + (text[span] == '\n');
	}
	*out = lines;
	return FAIL_NONE;
}

/* The text of the file has an arena of its own, which is wiped when it is freed. */
static enum fail
read_file(struct task *task, const struct setting *table, unsigned int secrets,
          const char *path, struct line **out)
{
	struct task reading = {.arena = arena_new((size_t)8 * FILE_LIMIT)};
	enum fail kind;
	size_t length;
	char *text;

	kind = file_read(&reading, path, FILE_LIMIT, &text, &length);
	if (kind == FAIL_NONE)
		kind = parse_lines(task, table, secrets, path, text, out);
	else
		(void)task_fail(task, kind, reading.failure.code, "%s",
		                reading.failure.message);
	arena_free(reading.arena);
	return kind;
}

/* Refuses a misspelt setting in the environment, which would silently leave the default. Names of
 * other programs' variables are less alike. */
static enum fail
refuse_slips(struct task *task, const struct setting *table)
{
	for (char **entry = environ; *entry != NULL; entry++) {
		size_t length = strcspn(*entry, "=");
		struct suggestion suggestion;

		if (length < SLIP_MIN_LENGTH || find_setting(table, *entry, length) != NULL)
			continue;
		suggestion = find_suggestion(task->arena, table, *entry, length);
		if (suggestion.found != NULL &&
		    strncmp(suggestion.found, *entry, SLIP_PREFIX) == 0)
			return bad_setting(task, arena_copy_bytes(task->arena, *entry, length),
			                   "environment",
			                   unknown(task->arena, table, &suggestion));
	}
	return FAIL_NONE;
}

static const char *
from_file(const struct line *lines, const char *name)
{
	for (; lines != NULL; lines = lines->next)
		if (strcmp(lines->name, name) == 0)
			return lines->value;
	return NULL;
}

/* The setting's text and where it came from: environment, NAME_FILE, file, default. */
static enum fail
find_value(struct task *task, const struct setting *setting, const struct line *lines,
           const char **value, const char **place)
{
	const char *secret_name = arena_printf(task->arena, "%s_FILE", setting->name);
	const char *secret_path = NULL;
	char *secret;

	*place = "environment";
	*value = getenv(setting->name);
	if (*value == NULL && setting->secret)
		secret_path = getenv(secret_name);
	if (*value == NULL && secret_path == NULL) {
		*place = "settings file";
		*value = from_file(lines, setting->name);
		if (*value == NULL && setting->secret)
			secret_path = from_file(lines, secret_name);
	}
	if (secret_path != NULL) {
		*place = text_starts_with(secret_path, SECRETS_HIDDEN_PREFIX) ? "environment"
		                                                              : secret_name;
		TRY(file_read_secret(task, secret_path, FILE_LIMIT, &secret));
		*value = secret;
	}
	if (*value == NULL) {
		*place = "default";
		*value = setting->initial;
	}
	return FAIL_NONE;
}

static const char *
join_choices(struct arena *arena, const char *const *choices)
{
	struct text text = text_new(arena, 64);

	text_add(&text, "must be one of");
	for (; *choices != NULL; choices++)
		text_printf(&text, " %s", *choices);
	return text.data;
}

/* Stores the value; NULL when it is fine, else why not. */
static const char *
store_value(struct task *task, const struct setting *setting, const char *value, void *out)
{
	void *member = (char *)out + setting->offset;

	if (setting->type == SETTING_BOOL) {
		*(bool *)member = strcmp(value, "on") == 0;
		return *(bool *)member || strcmp(value, "off") == 0 ? NULL
		                                                    : "must be on or off";
	}
	if (setting->type == SETTING_INT) {
		int64_t *number = member;

		if (!text_parse_int(value, number) || *number < setting->min ||
		    *number > setting->max)
			return arena_printf(task->arena, "must be a number from %lld to %lld",
			                    (long long)setting->min, (long long)setting->max);
		return NULL;
	}
	*(const char **)member = arena_copy(task->arena, value);
	for (const char *const *c = setting->choices; c != NULL && *c != NULL; c++)
		if (strcmp(*c, value) == 0)
			return NULL;
	if (setting->choices != NULL)
		return join_choices(task->arena, setting->choices);
	return setting->check == NULL ? NULL : setting->check(value);
}

enum fail
settings_load(struct task *task, const struct setting *table, const char *path,
              unsigned int secrets, void *out)
{
	struct line *lines = NULL;

	if (path != NULL)
		TRY(read_file(task, table, secrets, path, &lines));
	TRY(refuse_slips(task, table));
	for (const struct setting *s = table; s->type != SETTING_STOP; s++) {
		const char *value, *place, *fault;

		if (is_withheld(s, secrets)) {
			*(const char **)(void *)((char *)out + s->offset) = "";
			continue;
		}
		TRY(find_value(task, s, lines, &value, &place));
		fault = value == NULL ? "is required" : store_value(task, s, value, out);
		if (fault != NULL)
			return bad_setting(task, s->name, place, fault);
	}
	return FAIL_NONE;
}

/* The meaning and, of a number, its bounds. */
static void
print_meaning(const struct setting *setting)
{
	fputs(setting->meaning, stdout);
	if (setting->type == SETTING_INT && setting->max == INT64_MAX)
		printf(" At least %lld.", (long long)setting->min);
	else if (setting->type == SETTING_INT)
		printf(" From %lld to %lld.", (long long)setting->min, (long long)setting->max);
}

void
settings_print_markdown(const struct setting *table)
{
	puts("| setting | default | meaning |\n| --- | --- | --- |");
	for (const struct setting *s = table; s->type != SETTING_STOP; s++) {
		const char *quote = *s->initial == '\0' ? "" : "`";

		printf("| `%s%s` | %s%s%s | ", s->name, s->secret ? "[_FILE]" : "", quote,
		       s->initial, quote);
		print_meaning(s);
		puts(" |");
	}
}

void
settings_print_example(const struct setting *table)
{
	for (const struct setting *s = table; s->type != SETTING_STOP; s++) {
		fputs("# ", stdout);
		print_meaning(s);
		printf("\n%s%s=%s\n\n", s->advice == NULL ? "#" : "", s->name,
		       s->advice == NULL ? s->initial : s->advice);
	}
}
