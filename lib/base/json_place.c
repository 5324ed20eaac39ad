/*
 * json_place.c: where in a text a value stands.
 */
#include "base/json_place.h"

#include <stdlib.h>
#include <string.h>

#include "base/json_scan.h"

size_t
json_place_line(const char *text, size_t offset)
{
	size_t line = 1;

	for (size_t i = 0; i < offset; i++)
		line += text[i] == '\n';
	return line;
}

/* From an object to the value of its member; false when it has none of that name. */
static bool
enter_member(struct json_scan *scan, const char *name, size_t length)
{
	bool more = json_scan_accept(scan, '{');

	while (more) {
		size_t start;
		bool same;

		json_scan_blanks(scan);
		start = scan->at + 1;
		if (json_scan_peek(scan) != '"' || !json_scan_string(scan, NULL))
			return false;
		same = scan->at - 1 - start == length &&
		       memcmp(scan->text + start, name, length) == 0;
		json_scan_blanks(scan);
		(void)json_scan_accept(scan, ':');
		json_scan_blanks(scan);
		if (same)
			return true;
		json_scan_skip_value(scan);
		more = json_scan_accept(scan, ',');
	}
	return false;
}

/* From a list to its item of that index; false when it is shorter. */
static bool
enter_item(struct json_scan *scan, long index)
{
	if (!json_scan_accept(scan, '['))
		return false;
	json_scan_blanks(scan);
	for (; index > 0; index--) {
		json_scan_skip_value(scan);
		if (!json_scan_accept(scan, ','))
			return false;
		json_scan_blanks(scan);
	}
	return json_scan_peek(scan) != ']';
}

size_t
json_place_find(const char *text, size_t length, const char *path)
{
	struct json_scan scan = {.text = text, .length = length};
	size_t found;

	json_scan_blanks(&scan);
	for (;;) {
		size_t span = strcspn(path, ".[");

		found = scan.at;
		if (*path == '[') {
			if (!enter_item(&scan, strtol(path + 1, NULL, 10)))
				return found;
			path += strcspn(path, "]");
			path += *path == ']';
		} else {
			if (span == 0 || !enter_member(&scan, path, span))
				return found;
			path += span;
		}
		path += *path == '.';
	}
}
