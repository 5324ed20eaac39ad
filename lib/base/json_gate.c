/*
 * json_gate.c: json_in_gate(), a scanner that says whether text is acceptable JSON, and
 * json_in_gate_foreign(), which notes on its way where the wanted values stand.
 *
 * It stands in front of json-c, which lets 15 of JSONTestSuite's 188 invalid texts pass and
 * takes the last of duplicate names. The scalars are json_scan.c's; here are the structure, the
 * names and the bounds that keep a hostile text cheap.
 */
#include "base/json_in.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/json_scan.h"
#include "base/text.h"

enum {
	MEMBERS_MAX = 1024,         /* of one object; open objects are at most JSON_IN_DEPTH */
	TEXT_MAX = 64 * 1024 * 1024 /* bytes in all; json-c counts in int */
};

/* A member's name with its escapes undone. */
struct name {
	const char *bytes;
	size_t length;
};

/* What leads on from an object to wanted values. */
struct wants {
	size_t count;
	struct {
		const char *path; /* what is left of it */
		struct json_wanted *wanted;
	} items[JSON_WANTED_MAX];
};

/* The names of the open objects lie behind each other: the innermost object's are on top. Foreign
 * ones may occur twice and are not collected. */
struct gate {
	struct arena *arena;
	struct json_scan scan;
	int depth_max;
	struct name *names;
	size_t names_used;
	size_t names_capacity;
	const char *repeated; /* the name that occurs twice, decoded */
};

static bool scan_value(struct gate *gate, int depth, const struct wants *wants);

static void
push_name(struct gate *gate, struct name name)
{
	if (gate->names_used == gate->names_capacity) {
		size_t capacity = gate->names_capacity ? 2 * gate->names_capacity : 32;
		struct name *grown = arena_array(gate->arena, capacity, sizeof *grown);

		if (gate->names_used > 0)
			memcpy(grown, gate->names, gate->names_used * sizeof *grown);
		gate->names = grown;
		gate->names_capacity = capacity;
	}
	gate->names[gate->names_used++] = name;
}

/* Names are compared decoded: "a" and "\u0061" are the same one. Of a NUL in a foreign one on json-c
 * sees nothing. */
static bool
scan_name(struct gate *gate, struct name *out)
{
	size_t start = gate->scan.at;

	if (json_scan_peek(&gate->scan) != '"')
		return json_scan_refuse(&gate->scan, "a name in quotes is expected");
	if (!json_scan_string(&gate->scan, NULL))
		return false;
	*out = (struct name){gate->scan.text + start + 1, gate->scan.at - start - 2};
	if (memchr(out->bytes, '\\', out->length)) {
		struct text decoded = text_new(gate->arena, out->length + 1);

		gate->scan.at = start;
		if (!json_scan_string(&gate->scan, &decoded))
			return false;
		*out = (struct name){decoded.data, strlen(decoded.data)};
	}
	if (!gate->scan.foreign)
		push_name(gate, *out);
	return true;
}

static int
compare_names(const void *a, const void *b)
{
	const struct name *left = a, *right = b;

	if (left->length != right->length)
		return left->length < right->length ? -1 : 1;
	return memcmp(left->bytes, right->bytes, left->length);
}

/* Sorted, duplicates are neighbours; unlike a hash table this can't be made slow on purpose. */
static bool
names_differ(struct gate *gate, size_t first)
{
	size_t count = gate->names_used - first;

	if (count < 2)
		return true;
	qsort(gate->names + first, count, sizeof *gate->names, compare_names);
	for (size_t i = first + 1; i < gate->names_used; i++)
		if (compare_names(&gate->names[i - 1], &gate->names[i]) == 0) {
			gate->repeated = arena_copy_bytes(gate->arena, gate->names[i].bytes,
			                                  gate->names[i].length);
			return json_scan_refuse(&gate->scan,
			                        "a name occurs twice in an object");
		}
	return true;
}

/* Before a member's value: notes it if it is wanted, and what is wanted inside of it. The last of
 * repeated names takes back what an earlier one has brought. */
static void
note_wanted(const struct gate *gate, struct name name, const struct wants *here,
            struct wants *inside)
{
	inside->count = 0;
	for (size_t i = 0; name.length > 0 && i < here->count; i++) {
		const char *path = here->items[i].path;
		struct json_wanted *wanted = here->items[i].wanted;

		/* Most differ in their first byte. */
		if (*path != *name.bytes || strncmp(path, name.bytes, name.length) != 0 ||
		    memchr(name.bytes, '.', name.length))
			continue;
		path += name.length;
		if (*path == '\0')
			wanted->at = gate->scan.at;
		if (*path != '.')
			continue;
		wanted->at = 0;
		inside->items[inside->count].path = path + 1;
		inside->items[inside->count++].wanted = wanted;
	}
}

/* From a member's name to behind its value. */
static bool
scan_member(struct gate *gate, int depth, const struct wants *wants)
{
	struct wants inside;
	struct name name = {NULL, 0};

	if (!scan_name(gate, &name))
		return false;
	json_scan_blanks(&gate->scan);
	if (!json_scan_accept(&gate->scan, ':'))
		return json_scan_refuse(&gate->scan, "a colon is expected");
	if (wants == NULL)
		return scan_value(gate, depth, NULL);
	json_scan_blanks(&gate->scan);
	note_wanted(gate, name, wants, &inside);
	return scan_value(gate, depth, inside.count > 0 ? &inside : NULL);
}

static bool
scan_object(struct gate *gate, int depth, const struct wants *wants)
{
	size_t first = gate->names_used;

	gate->scan.at++;
	json_scan_blanks(&gate->scan);
	if (json_scan_accept(&gate->scan, '}'))
		return true;
	do {
		if (gate->names_used - first == MEMBERS_MAX)
			return json_scan_refuse(&gate->scan, "an object has too many members");
		json_scan_blanks(&gate->scan);
		if (!scan_member(gate, depth, wants))
			return false;
		json_scan_blanks(&gate->scan);
	} while (json_scan_accept(&gate->scan, ','));
	if (!json_scan_accept(&gate->scan, '}'))
		return json_scan_refuse(&gate->scan, "a comma or a closing brace is expected");
	if (!names_differ(gate, first))
		return false;
	gate->names_used = first;
	return true;
}

static bool
scan_array(struct gate *gate, int depth)
{
	gate->scan.at++;
	json_scan_blanks(&gate->scan);
	if (json_scan_accept(&gate->scan, ']'))
		return true;
	do {
		if (!scan_value(gate, depth, NULL))
			return false;
		json_scan_blanks(&gate->scan);
	} while (json_scan_accept(&gate->scan, ','));
	if (!json_scan_accept(&gate->scan, ']'))
		return json_scan_refuse(&gate->scan,
		                        "a comma or a closing bracket is expected");
	return true;
}

static bool
scan_value(struct gate *gate, int depth, const struct wants *wants)
{
	json_scan_blanks(&gate->scan);
	switch (json_scan_peek(&gate->scan)) {
	case '{':
	case '[':
		if (depth == gate->depth_max)
			return json_scan_refuse(&gate->scan, "too many levels");
		return json_scan_peek(&gate->scan) == '{' ? scan_object(gate, depth + 1, wants)
		                                          : scan_array(gate, depth + 1);
	case '"':
		return json_scan_string(&gate->scan, NULL);
	case 't':
		return json_scan_literal(&gate->scan, "true");
	case 'f':
		return json_scan_literal(&gate->scan, "false");
	case 'n':
		return json_scan_literal(&gate->scan, "null");
	default:
		return json_scan_number(&gate->scan);
	}
}

/* The whole text is one value. */
static bool
scan_text(struct gate *gate, const struct wants *wants)
{
	if (gate->scan.length > TEXT_MAX)
		return json_scan_refuse(&gate->scan, "it is too long");
	if (!scan_value(gate, 0, wants))
		return false;
	json_scan_blanks(&gate->scan);
	return gate->scan.at == gate->scan.length ||
	       json_scan_refuse(&gate->scan, "something follows the value");
}

const char *
json_in_gate_repeated(struct arena *arena, const char *text, size_t length, size_t *offset,
                      const char **repeated)
{
	struct gate gate = {.arena = arena,
	                    .scan = {.text = text, .length = length},
	                    .depth_max = JSON_IN_DEPTH};

	(void)scan_text(&gate, NULL);
	*offset = gate.scan.at;
	*repeated = gate.repeated;
	return gate.scan.why;
}

const char *
json_in_gate(struct arena *arena, const char *text, size_t length, size_t *offset)
{
	const char *repeated;

	return json_in_gate_repeated(arena, text, length, offset, &repeated);
}

bool
json_in_gate_foreign(struct arena *arena, const char *text, size_t length,
                     struct json_wanted *wanted, size_t count)
{
	struct gate gate = {.arena = arena,
	                    .scan = {.text = text, .length = length, .foreign = true},
	                    .depth_max = JSON_IN_FOREIGN_DEPTH};
	struct wants wants = {.count = count};

	if (count > JSON_WANTED_MAX)
		abort();
	for (size_t i = 0; i < count; i++) {
		wanted[i].at = 0;
		wants.items[i].path = wanted[i].path;
		wants.items[i].wanted = &wanted[i];
	}
	return text != NULL && scan_text(&gate, count > 0 ? &wants : NULL);
}
