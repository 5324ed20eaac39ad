/* reports.h: answers that are a list of rows with the sentences that define their columns, as JSON or as
 * CSV. */
#pragma once

#include "api/render.h"

/* A sentence that defines a column or another member of the answer. */
struct definition {
	const char *name;
	const char *sentence;
};

struct report {
	const char *file; /* the name of the CSV file */
	const char *list; /* the name of the list */
	const struct column *columns;
	size_t row_size;
	const struct definition *definitions; /* ended by a NULL name */
	const struct page *page;              /* of a list that has pages, else NULL */
	/* Writes further members of the answer in JSON; NULL: none. */
	void (*write)(struct json_out *json, const void *closure);
	const void *closure;
};

/* Answers with the rows. */
enum fail report_answer(struct call *call, const struct report *report, const void *rows,
                        size_t count) MUST_CHECK;

/* A month such as "2026-11", for a field's check. */
const char *report_check_month(const char *value);

/* The first day of a month that passed the check; of the present month and `back` months before it when
 * it is NULL. */
const char *report_month(const struct operation *operation, const char *value, int back);

/* A currency (ISO 4217) in lower case. */
const char *report_check_currency(const char *value);
