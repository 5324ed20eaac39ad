/* csv.h: answers of the API as CSV (RFC 4180), safe to open in a spreadsheet. */
#pragma once

#include "api/api.h"
#include "base/text.h"

/* Whether the client asks for CSV; the answer then depends on its Accept header, and says so. */
bool csv_is_wanted(struct call *call);

/* Appends a field; NULL is empty. A quote before a text that a spreadsheet would take for a formula
 * keeps it a text. */
void csv_text(struct text *csv, const char *value);

/* Appends a line with the names of the columns, and a line for each row. A text that is a decimal
 * number stays one. */
void csv_names(struct text *csv, const struct column *columns);
void csv_row(struct text *csv, struct task *task, const struct column *columns,
             const void *row);

/* Answers with the text as a file of that name; `next` is the cursor of the next page, or NULL. */
void csv_answer(struct call *call, const struct text *csv, const char *file, const char *next);
