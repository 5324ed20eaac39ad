/*
 * gate.c: checks the structure of a JSON text, bounds its cost and indexes its values.
 *
 * The scalars are scan.c's.
 */
#include "json/gate.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "json/scan.h"

enum {
	MEMBERS_MAX = 1024,          /* of one object */
	NODES_MAX = 1 << 20,         /* of one text */
	NODES_FIRST = 4096,          /* the most that are allocated at once in advance */
	TEXT_MAX = 64 * 1024 * 1024, /* bytes */
};

/* A member's name with its escapes undone. */
struct name {
	const char *bytes;
	size_t length;
};

struct gate {
	struct arena *arena;
	struct json_scan scan;
	int depth_max;
	struct json_node *nodes;
	size_t used;
	size_t capacity;
	const char *repeated;
};

static bool scan_value(struct gate *gate, int depth);

/* Adds a node that begins at the place of the scan. */
static bool
push_node(struct gate *gate)
{
	if (gate->used == NODES_MAX)
		return json_scan_refuse(&gate->scan, "it has too many values");
	if (gate->used == gate->capacity) {
		struct json_node *grown;

		gate->capacity *= 2;
		grown = arena_array(gate->arena, gate->capacity, sizeof(*grown));
		memcpy(grown, gate->nodes, gate->used * sizeof(*grown));
		gate->nodes = grown;
	}
	gate->nodes[gate->used++].at = (uint32_t)gate->scan.at;
	return true;
}

/* Ends the node at the place of the scan. */
static void
end_node(struct gate *gate, size_t node)
{
	gate->nodes[node].length = (uint32_t)gate->scan.at - gate->nodes[node].at;
}

/* Adds an item or a name to the object or list `parent`, whose last one so far is `*last`. */
static void
link_node(struct gate *gate, size_t parent, size_t node, size_t *last)
{
	if (gate->nodes[parent].count++ > 0)
		gate->nodes[*last].next = (uint32_t)(node - *last);
	*last = node;
}

static bool
scan_name(struct gate *gate)
{
	size_t node = gate->used;

	if (json_scan_peek(&gate->scan) != '"')
		return json_scan_refuse(&gate->scan, "a name in quotes is expected");
	if (!push_node(gate) || !json_scan_string(&gate->scan, NULL))
		return false;
	end_node(gate, node);
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

/* Names are compared decoded: "a" and "\u0061" are the same one. */
static struct name
decode_name(const struct gate *gate, const struct json_node *node)
{
	struct json_scan scan = {
	        .text = gate->scan.text, .length = gate->scan.length, .at = node->at};
	const char *bytes = scan.text + node->at + 1;
	size_t length = node->length - 2;
	struct text decoded;

	if (memchr(bytes, '\\', length) == NULL)
		return (struct name){bytes, length};
	decoded = text_new(gate->arena, length);
	(void)json_scan_string(&scan, &decoded);
	return (struct name){decoded.data, strlen(decoded.data)};
}

/* Sorting makes duplicates neighbours; unlike a hash table it cannot be made slow on purpose. */
static bool
names_differ(struct gate *gate, const struct json_node *object)
{
	const struct json_node *node = object + 1;
	struct name *names = arena_array(gate->arena, object->count, sizeof(*names));

	for (size_t i = 0; i < object->count; i++, node += node->next)
		names[i] = decode_name(gate, node);
	qsort(names, object->count, sizeof(*names), compare_names);
	for (size_t i = 1; i < object->count; i++)
		if (compare_names(&names[i - 1], &names[i]) == 0) {
			gate->repeated =
			        arena_copy_bytes(gate->arena, names[i].bytes, names[i].length);
			return json_scan_refuse(&gate->scan,
			                        "a name occurs twice in an object");
		}
	return true;
}

/* From a member's name to behind its value. */
static bool
scan_member(struct gate *gate, int depth)
{
	json_scan_blanks(&gate->scan);
	if (!scan_name(gate))
		return false;
	json_scan_blanks(&gate->scan);
	if (!json_scan_accept(&gate->scan, ':'))
		return json_scan_refuse(&gate->scan, "a colon is expected");
	return scan_value(gate, depth);
}

/* An object, whose node has just been pushed. */
static bool
scan_object(struct gate *gate, int depth)
{
	size_t object = gate->used - 1, last = 0;

	gate->scan.at++;
	json_scan_blanks(&gate->scan);
	if (json_scan_accept(&gate->scan, '}'))
		return true;
	do {
		size_t name = gate->used;

		if (gate->nodes[object].count == MEMBERS_MAX)
			return json_scan_refuse(&gate->scan, "an object has too many members");
		if (!scan_member(gate, depth))
			return false;
		link_node(gate, object, name, &last);
		json_scan_blanks(&gate->scan);
	} while (json_scan_accept(&gate->scan, ','));
	if (!json_scan_accept(&gate->scan, '}'))
		return json_scan_refuse(&gate->scan, "a comma or a closing brace is expected");
	return gate->scan.foreign || gate->nodes[object].count == 1 ||
	       names_differ(gate, &gate->nodes[object]);
}

/* A list, whose node has just been pushed. */
static bool
scan_list(struct gate *gate, int depth)
{
	size_t list = gate->used - 1, last = 0;

	gate->scan.at++;
	json_scan_blanks(&gate->scan);
	if (json_scan_accept(&gate->scan, ']'))
		return true;
	do {
		size_t item = gate->used;

		if (!scan_value(gate, depth))
			return false;
		link_node(gate, list, item, &last);
		json_scan_blanks(&gate->scan);
	} while (json_scan_accept(&gate->scan, ','));
	if (!json_scan_accept(&gate->scan, ']'))
		return json_scan_refuse(&gate->scan,
		                        "a comma or a closing bracket is expected");
	return true;
}

static bool
scan_content(struct gate *gate, int depth)
{
	char first = json_scan_peek(&gate->scan);

	switch (first) {
	case '{':
	case '[':
		if (depth == gate->depth_max)
			return json_scan_refuse(&gate->scan, "too many levels");
		return first == '{' ? scan_object(gate, depth + 1) : scan_list(gate, depth + 1);
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

static bool
scan_value(struct gate *gate, int depth)
{
	size_t node = gate->used;

	json_scan_blanks(&gate->scan);
	if (!push_node(gate) || !scan_content(gate, depth))
		return false;
	end_node(gate, node);
	return true;
}

/* The whole text is one value. */
static bool
scan_text(struct gate *gate)
{
	if (gate->scan.length > TEXT_MAX)
		return json_scan_refuse(&gate->scan, "it is too long");
	if (text_is_utf16(gate->scan.text, gate->scan.length))
		return json_scan_refuse(&gate->scan, "it is UTF-16, and must be UTF-8");
	gate->scan.at = text_mark(gate->scan.text, gate->scan.length);
	if (!scan_value(gate, 0))
		return false;
	json_scan_blanks(&gate->scan);
	return gate->scan.at == gate->scan.length ||
	       json_scan_refuse(&gate->scan, "something follows the value");
}

const struct json_node *
json_gate(struct arena *arena, const char *text, size_t length, enum json_rules rules,
          struct json_refusal *refusal)
{
	struct gate gate = {
	        .arena = arena,
	        .scan = {.text = text,
	                 .length = length,
	                 .foreign = rules == JSON_FOREIGN,
	                 .any_number = rules == JSON_BODY},
	        .depth_max = rules == JSON_FOREIGN ? JSON_FOREIGN_DEPTH : JSON_DEPTH,
	        .capacity = length / 8 < NODES_FIRST ? length / 8 + 8 : NODES_FIRST,
	};
	bool taken;

	gate.nodes = arena_array(arena, gate.capacity, sizeof(*gate.nodes));
	taken = scan_text(&gate);
	*refusal = (struct json_refusal){gate.scan.why, gate.scan.at, gate.repeated};
	return taken ? gate.nodes : NULL;
}
