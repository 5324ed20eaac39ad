/*
 * templates.h: the texts of notices, one file for each kind, which the vendor edits.
 *
 * The first line is "Subject: ...", then the body follows. {name} is a placeholder; {{ is a brace. A line of the
 * body that has a placeholder without a value is left out.
 */
#pragma once

#include "base/failure.h"
#include "notices/kinds.h"

struct notice_template {
	const char *subject; /* as in the file, with placeholders */
	const char *body;
};

struct notice_templates {
	struct notice_template kinds[NOTICE_KINDS];
};

/* The values of placeholders by their number; NULL and "" are none. */
struct notice_values {
	const char *of[NOTICE_FIELDS];
};

struct notice_text {
	const char *subject;
	const char *body; /* lines that end with "\n" */
};

/* Reads the folder's file of each kind. FAIL_INVALID "mail_template_invalid" with file, line and reason:
 * an unknown placeholder, no subject, bad UTF-8. As file_read() for a file that is not there. `out`
 * points into the task's arena. */
enum fail notice_templates_load(struct task *task, const char *folder,
                                struct notice_templates *out) MUST_CHECK;

/* Whether the template has the placeholder. */
bool notice_template_has(const struct notice_template *template, enum notice_field field);

/* Puts the values in. Control characters of values become blanks; those of lists keep their line breaks in
 * the body. */
void notice_template_fill(struct arena *arena, const struct notice_template *template,
                          const struct notice_values *values, struct notice_text *out);
