/* router.c: from a path to a row of a table of patterns. */
#include "http/router.h"

#include <string.h>

#include "base/arena.h"
#include "json/fields.h"

enum { SEGMENTS_MAX = 8 };

static const struct router_entry *
entry_at(const struct router *router, size_t index)
{
	return (const struct router_entry *)((const char *)router->rows +
	                                     index * router->row_size);
}

/* Decoded segments of the path; the count, or 0 when it is no acceptable path. */
static size_t
split_path(struct request *request, const char *segments[SEGMENTS_MAX])
{
	const char *at = request->path;
	size_t count = 0;

	while (*at == '/') {
		size_t span = strcspn(++at, "/");

		if (count == SEGMENTS_MAX)
			return 0;
		segments[count] = fields_percent_decode(request->task.arena, at, span, false);
		if (segments[count++] == NULL)
			return 0;
		at += span;
	}
	return *at == '\0' ? count : 0;
}

/* The pattern's next segment; moves the cursor behind it. */
static size_t
next_segment(const char **cursor, const char **segment)
{
	size_t span;

	if (**cursor != '/')
		return 0;
	*segment = *cursor + 1;
	span = strcspn(*segment, "/");
	*cursor = *segment + span;
	return span;
}

/* The pattern begins with this literal segment; moves behind it. */
static bool
take_literal(const char **pattern, const char *segment)
{
	const char *at = *pattern;

	while (*segment != '\0' && *at == *segment && *at != '/')
		at++, segment++;
	*pattern = at;
	return *segment == '\0' && (*at == '/' || *at == '\0');
}

/* Literal segments of the pattern that match, -1 when it does not match at all. */
static int
match(const char *pattern, const char *const *segments, size_t count)
{
	int literals = 0;

	for (size_t i = 0; i < count; i++) {
		if (*pattern++ != '/')
			return -1;
		if (*pattern == ':') {
			if (*segments[i] == '\0')
				return -1;
			pattern += strcspn(pattern, "/");
			continue;
		}
		if (!take_literal(&pattern, segments[i]))
			return -1;
		literals++;
	}
	return *pattern == '\0' ? literals : -1;
}

static void
take_params(struct request *request, const char *pattern, const char *const *segments)
{
	const char *segment;
	size_t span;

	request->param_count = 0;
	for (size_t i = 0; (span = next_segment(&pattern, &segment)) > 0; i++) {
		struct request_param *param = &request->params[request->param_count];

		if (*segment != ':' || request->param_count == REQUEST_PARAMS_MAX)
			continue;
		param->name = arena_copy_bytes(request->task.arena, segment + 1, span - 1);
		param->value = segments[i];
		request->param_count++;
	}
}

const void *
router_find(const struct router *router, struct request *request, unsigned int *allowed)
{
	enum http_method wanted = request->method == HTTP_HEAD ? HTTP_GET : request->method;
	const struct router_entry *found = NULL;
	const char *segments[SEGMENTS_MAX] = {NULL};
	size_t count = split_path(request, segments);
	int best = -1;

	*allowed = 0;
	for (size_t i = 0; count > 0 && i < router->count; i++) {
		const struct router_entry *entry = entry_at(router, i);
		int literals = match(entry->pattern, segments, count);

		if (literals < 0 || literals < best)
			continue;
		if (literals > best) {
			best = literals;
			*allowed = 0;
			found = NULL;
		}
		*allowed |= 1U << entry->method;
		if (entry->method == wanted)
			found = entry;
	}
	if (found != NULL)
		take_params(request, found->pattern, segments);
	return found;
}

/* The patterns differ in parameter names at most: a client cannot tell them apart. */
static bool
same_pattern(const char *a, const char *b)
{
	const char *left = "", *right = "";

	for (;;) {
		size_t a_span = next_segment(&a, &left), b_span = next_segment(&b, &right);

		if (a_span == 0 || b_span == 0)
			return a_span == b_span;
		if (*left == ':' && *right == ':')
			continue;
		if (a_span != b_span || strncmp(left, right, a_span) != 0)
			return false;
	}
}

/* Some path can match the pattern, and all its parameters have room in a request. */
static bool
is_reachable(const char *pattern)
{
	const char *segment;
	size_t segments = 0, params = 0;

	while (*pattern == '/') {
		if (next_segment(&pattern, &segment) == 0)
			return false;
		segments++;
		params += *segment == ':';
	}
	return *pattern == '\0' && segments >= 1 && segments <= SEGMENTS_MAX &&
	       params <= REQUEST_PARAMS_MAX;
}

const char *
router_fault(const struct router *router)
{
	for (size_t i = 0; i < router->count; i++) {
		const struct router_entry *entry = entry_at(router, i);

		if (!is_reachable(entry->pattern))
			return entry->pattern;
		for (size_t k = 0; k < i; k++)
			if (entry_at(router, k)->method == entry->method &&
			    same_pattern(entry_at(router, k)->pattern, entry->pattern))
				return entry->pattern;
	}
	return NULL;
}
