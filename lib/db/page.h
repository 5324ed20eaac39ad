/* page.h: one page of a list: the rows that a caller asks for, and the cursor of the next
 * page. */
#pragma once

#include "json/fields.h"

/* A list is sorted by time and id, or by id alone. The last row of a page is the place where
 * the next page starts, and a cursor is that place as an opaque text. */
struct page {
	int64_t limit;     /* rows on the page */
	int64_t offset;    /* rows to skip, in lists that take an offset */
	struct instant at; /* time of the row before the page; unknown: the page is the first */
	const char *id;    /* id of that row, or NULL */
	const char *next;  /* set by the list: cursor of the next page; NULL: there is none */
};

/* The query of a list that takes nothing else. Other lists have the same two members. */
struct page_query {
	int64_t limit;
	const char *cursor;
};
#define PAGE_FIELDS(S, most, usual)                                                            \
	FIELD(S, limit, .min = 1, .max = (most), .initial = (usual)),                          \
	        FIELD(S, cursor, .min = 1, .max = 500)
enum { PAGE_ROWS_MAX = 100, PAGE_ROWS_USUAL = 50 };
extern const struct field page_query_fields[];

/* `cursor` may be NULL. A cursor that no list gave is an invalid field. */
enum fail page_read(struct task *task, int64_t limit, const char *cursor,
                    struct page *out) MUST_CHECK;

/* The failure of page_read(), for a list whose ids have a form of their own. */
enum fail page_fail(struct task *task) MUST_CHECK;

/* The LIMIT of a list's statement: one row more than the page shows, which tells whether there is
 * a next page. */
const char *page_limit(struct task *task, const struct page *page);

/* Takes that row off again. True when it was there: then the list sets `next`. */
bool page_has_next(const struct page *page, size_t *count);

/* The cursor of the page that follows the row with this time and id. */
const char *page_cursor(struct task *task, struct instant at, const char *id);
