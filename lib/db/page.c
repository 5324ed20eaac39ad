/* page.c: one page of a list: the rows that a caller asks for, and the cursor of the next
 * page. */
#include "db/page.h"

#include <string.h>

#include "base/arena.h"
#include "base/encoding.h"
#include "base/text.h"
#include "db/db.h"

const struct field page_query_fields[] = {
        PAGE_FIELDS(struct page_query, PAGE_ROWS_MAX, PAGE_ROWS_USUAL),
        FIELD_END(struct page_query),
};

enum fail
page_fail(struct task *task)
{
	return task_fail_field(task, "cursor", "is not one that this list gave");
}

static bool
read_cursor(struct arena *arena, const char *cursor, struct page *out)
{
	struct bytes plain;
	char *text, *colon;

	if (!base64url_decode(arena, cursor, strlen(cursor), &plain) ||
	    memchr(plain.data, '\0', plain.length) != NULL)
		return false;
	text = arena_copy_bytes(arena, plain.data, plain.length);
	colon = strchr(text, ':');
	if (colon == NULL || !text_is_utf8(text, plain.length))
		return false;
	*colon = '\0';
	out->id = colon + 1;
	out->at.known = text_parse_int(text, &out->at.ms);
	return out->at.known;
}

enum fail
page_read(struct task *task, int64_t limit, const char *cursor, struct page *out)
{
	*out = (struct page){.limit = limit};
	if (cursor != NULL && !read_cursor(task->arena, cursor, out))
		return page_fail(task);
	return FAIL_NONE;
}

const char *
page_limit(struct task *task, const struct page *page)
{
	return param_int(task, page->limit + 1);
}

bool
page_has_next(const struct page *page, size_t *count)
{
	if (*count <= (size_t)page->limit)
		return false;
	*count = (size_t)page->limit;
	return true;
}

const char *
page_cursor(struct task *task, struct instant at, const char *id)
{
	const char *plain = arena_printf(task->arena, "%lld:%s", (long long)at.ms, id);

	return base64url_encode(task->arena, plain, strlen(plain));
}
