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
	bool secret;                /* never printed; also readable from NAME_FILE */
	const char *meaning;        /* one line: for --help, README and billing.env.example */
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
#define SETTING_END                                                                            \
	{                                                                                      \
		.type = SETTING_STOP                                                           \
	}

/* Fills `out`. `path` is a file of NAME=value lines (# comments, optional quotes) or NULL.
 * FAIL_INVALID "invalid_setting" with one sentence that names the setting, the place and the
 * cure: for an unknown name in the file, a misspelt name in the environment, a value out of
 * bounds. */
enum fail settings_load(struct task *task, const struct setting *table, const char *path,
                        void *out) MUST_CHECK;

/* Prints the table as the README's markdown, or as an example file. */
void settings_print_markdown(const struct setting *table);
void settings_print_example(const struct setting *table);
