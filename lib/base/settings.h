/*
 * settings.h: fills a struct from a settings file and the environment, by a table.
 *
 * The environment wins over the file. A setting marked secret can also be given as NAME_FILE, a
 * path whose content is the value.
 */
#pragma once

#include <stdint.h>

#include "base/failure.h"

enum setting_type { SETTING_STOP, SETTING_STRING, SETTING_INT, SETTING_BOOL };

struct setting {
	const char *name;
	enum setting_type type;
	size_t offset;
	const char *initial;        /* the default, as text; NULL for none */
	int64_t min, max;           /* bounds of a number */
	const char *const *choices; /* NULL-terminated allowed values of a string, or NULL */
	const char *advice;         /* the value for new installations; NULL: the default */
	/* Not 0: the value is never printed, and may be in the file that NAME_FILE names. Each bit
	 * is one kind of secrets, as the table's owner defines them. */
	unsigned int secret;
	const char *meaning; /* one line: for --help, README and billing.env.example */
	const char *(*check)(const char *value); /* NULL when fine, else why not */
};

/* The meaning comes first behind the default. bool settings are written on/off. */
/* clang-format off */
#define SETTING(S, member, name_, initial_, ...)                                        \
	{                                                                               \
		.name = name_, .offset = offsetof(S, member), .initial = initial_,      \
		.type = _Generic(((S *)0)->member, const char *: SETTING_STRING,        \
		                 int64_t: SETTING_INT, bool: SETTING_BOOL),             \
		.meaning = __VA_ARGS__                                                  \
	}
/* clang-format on */
/* The end of a table, which the program prints with --settings. */
/* clang-format off */
#define SETTING_END(program) {.type = SETTING_STOP, .name = (program)}
/* clang-format on */

/* All kinds of secrets. */
#define SECRETS_ALL (~0U)

/* How the path of a secret begins that secrets_hide() has taken out of the environment. */
#define SECRETS_HIDDEN_PREFIX "/proc/self/fd/"

/* Fills `out`. `path` is a file of NAME=value lines (# comments, optional quotes) or NULL.
 * Secrets of other kinds than `secrets` become "", and no copy of them stays in memory.
 * FAIL_INVALID "invalid_setting" with one sentence that names the setting, the place and the
 * cure: for an unknown name in the file, a misspelt name in the environment, a value out of
 * bounds. */
enum fail settings_load(struct task *task, const struct setting *table, const char *path,
                        unsigned int secrets, void *out) MUST_CHECK;

/* Prints the table as the README's markdown, or as an example file. */
void settings_print_markdown(const struct setting *table);
void settings_print_example(const struct setting *table);
