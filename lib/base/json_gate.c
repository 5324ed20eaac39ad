/*
 * json_gate.c: json_in_gate(), a scanner that says whether text is acceptable JSON.
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

/* The names of the open objects lie behind each other: the innermost object's are on top. */
struct gate {
	struct arena *arena;
	struct json_scan scan;
	struct name *names;
	size_t names_used;
	size_t names_capacity;
	const char *repeated; /* the name that occurs twice, decoded */
};

static bool scan_value(struct gate *gate, int depth);

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

/* Names are compared decoded: "a" and "\u0061" are the same one. */
static bool
scan_name(struct gate *gate)
{
	size_t start = gate->scan.at;
	struct name name;

	if (json_scan_peek(&gate->scan) != '"')
		return json_scan_refuse(&gate->scan, "a name in quotes is expected");
	if (!json_scan_string(&gate->scan, NULL))
		return false;
	name = (struct name){gate->scan.text + start + 1, gate->scan.at - start - 2};
	if (memchr(name.bytes, '\\', name.length)) {
		struct text decoded = text_new(gate->arena, name.length + 1);

		gate->scan.at = start;
		if (!json_scan_string(&gate->scan, &decoded))
			return false;
		name = (struct name){decoded.data, decoded.length};
	}
	push_name(gate, name);
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

static bool
scan_object(struct gate *gate, int depth)
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
		if (!scan_name(gate))
			return false;
		json_scan_blanks(&gate->scan);
		if (!json_scan_accept(&gate->scan, ':'))
			return json_scan_refuse(&gate->scan, "a colon is expected");
		if (!scan_value(gate, depth))
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
		if (!scan_value(gate, depth))
			return false;
		json_scan_blanks(&gate->scan);
	} while (json_scan_accept(&gate->scan, ','));
	if (!json_scan_accept(&gate->scan, ']'))
		return json_scan_refuse(&gate->scan,
		                        "a comma or a closing bracket is expected");
	return true;
}

static bool
scan_value(struct gate *gate, int depth)
{
	json_scan_blanks(&gate->scan);
	switch (json_scan_peek(&gate->scan)) {
	case '{':
	case '[':
		if (depth == JSON_IN_DEPTH)
			return json_scan_refuse(&gate->scan, "too many levels");
		return json_scan_peek(&gate->scan) == '{' ? scan_object(gate, depth + 1)
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

const char *
json_in_gate_repeated(struct arena *arena, const char *text, size_t length, size_t *offset,
                      const char **repeated)
{
	struct gate gate = {.arena = arena, .scan = {.text = text, .length = length}};

	if (length > TEXT_MAX) {
		gate.scan.why = "it is too long";
	} else if (scan_value(&gate, 0)) {
		json_scan_blanks(&gate.scan);
		if (gate.scan.at != length)
			gate.scan.why = "something follows the value";
	}
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
