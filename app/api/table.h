/* table.h: answers that are a list of rows with the sentences that define their columns, as JSON or as CSV. */
#pragma once

#include "api/render.h"

/* A sentence that defines a column or another member of the answer. */
struct definition {
	const char *name;
	const char *sentence;
};

/* The definitions of MRR and of amounts, for each answer that has such columns. */
#define DEFINITION_MRR                                                                         \
	"MRR is the monthly value of the subscriptions that give access and are paid or to "   \
	"be "                                                                                  \
	"paid: active, past_due within the days of grace, contracts with a price. A year is "  \
	"divided by 12, a week times 52 / 12, a day times 365 / 12, rounded to six decimals; " \
	"quantities and add-ons count, discounts that last forever are taken off: those of "   \
	"the items, then those of the subscription, or the customer's if it has none. "        \
	"Trials, "                                                                             \
	"paused subscriptions, metered use, tax and one-off items do not count."
#define DEFINITION_MONEY                                                                       \
	"Amounts are decimals in minor units of their currency; currencies are never added. "  \
	"Months are those of UTC."

/* revenue.c */
extern const struct definition revenue_month_definitions[];

struct table {
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
enum fail table_answer(struct call *call, const struct table *table, const void *rows,
                       size_t count) MUST_CHECK;
