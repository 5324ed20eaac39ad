/*
 * json_gate.c: checks the structure of a JSON text, bounds its cost and indexes its values.
 *
 * The scalars are json_scan.c's.
 */
#include "base/json_gate.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/json_scan.h"
#include "base/text.h"

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

/* `names` has the names of all open objects, the innermost object's last. Foreign names may occur
 * twice and are not collected. */
struct gate {
	struct arena *arena;
	struct json_scan scan;
	int depth_max;
	struct json_node *nodes;
	size_t nodes_used;
	size_t nodes_capacity;
	struct name *names;
	size_t names_used;
	size_t names_capacity;
	const char *repeated;
};

static bool scan_value(struct gate *gate, int depth);

/* The array with twice the room. */
static void *
grow(struct gate *gate, const void *items, size_t used, size_t *capacity, size_t size)
{
	void *grown;

	*capacity *= 2;
	grown = arena_array(gate->arena, *capacity, size);
	memcpy(grown, items, used * size);
	return grown;
}

static void
push_name(struct gate *gate, struct name name)
{
	if (gate->names_used == gate->names_capacity)
		gate->names = grow(gate, gate->names, gate->names_used, &gate->names_capacity,
		                   sizeof(*gate->names));
	gate->names[gate->names_used++] = name;
}

/* A node for what begins at the place of the scan. */
static bool
push_node(struct gate *gate)
{
	if (gate->nodes_used == NODES_MAX)
		return json_scan_refuse(&gate->scan, "it has too many values");
	if (gate->nodes_used == gate->nodes_capacity)
		gate->nodes = grow(gate, gate->nodes, gate->nodes_used, &gate->nodes_capacity,
		                   sizeof(*gate->nodes));
	gate->nodes[gate->nodes_used++].at = (uint32_t)gate->scan.at;
	return true;
}

/* The scan stands behind what the node is about. */
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

/* Names are compared decoded: "a" and "\u0061" are the same one. */
static void
collect_name(struct gate *gate, const struct json_node *node)
{
	struct json_scan scan = gate->scan;
	struct name name = {scan.text + node->at + 1, node->length - 2};

	if (memchr(name.bytes, '\\', name.length) != NULL) {
		struct text decoded = text_new(gate->arena, name.length);

		scan.at = node->at;
		(void)json_scan_string(&scan, &decoded);
		name = (struct name){decoded.data, strlen(decoded.data)};
	}
	push_name(gate, name);
}

static bool
scan_name(struct gate *gate)
{
	size_t node = gate->nodes_used;

	if (json_scan_peek(&gate->scan) != '"')
		return json_scan_refuse(&gate->scan, "a name in quotes is expected");
	if (!push_node(gate) || !json_scan_string(&gate->scan, NULL))
		return false;
	end_node(gate, node);
	if (!gate->scan.foreign)
		collect_name(gate, &gate->nodes[node]);
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

/* Sorting makes duplicates neighbours; unlike a hash table it cannot be made slow on purpose. */
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
	size_t first = gate->names_used, object = gate->nodes_used - 1, last = 0;

	gate->scan.at++;
	json_scan_blanks(&gate->scan);
	if (json_scan_accept(&gate->scan, '}'))
		return true;
	do {
		size_t name = gate->nodes_used;

		if (gate->nodes[object].count == MEMBERS_MAX)
			return json_scan_refuse(&gate->scan, "an object has too many members");
		if (!scan_member(gate, depth))
			return false;
		link_node(gate, object, name, &last);
		json_scan_blanks(&gate->scan);
	} while (json_scan_accept(&gate->scan, ','));
	if (!json_scan_accept(&gate->scan, '}'))
		return json_scan_refuse(&gate->scan, "a comma or a closing brace is expected");
	if (!names_differ(gate, first))
		return false;
	gate->names_used = first;
	return true;
}

/* A list, whose node has just been pushed. */
static bool
scan_list(struct gate *gate, int depth)
{
	size_t list = gate->nodes_used - 1, last = 0;

	gate->scan.at++;
	json_scan_blanks(&gate->scan);
	if (json_scan_accept(&gate->scan, ']'))
		return true;
	do {
		size_t item = gate->nodes_used;

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
	size_t node = gate->nodes_used;

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
	if (!scan_value(gate, 0))
		return false;
	json_scan_blanks(&gate->scan);
	return gate->scan.at == gate->scan.length ||
	       json_scan_refuse(&gate->scan, "something follows the value");
}

const struct json_node *
json_gate(struct arena *arena, const char *text, size_t length, bool foreign,
          struct json_refusal *refusal)
{
	struct gate gate = {
	        .arena = arena,
	        .scan = {.text = text, .length = length, .foreign = foreign},
	        .depth_max = foreign ? JSON_FOREIGN_DEPTH : JSON_DEPTH,
	        .nodes_capacity = length / 8 < NODES_FIRST ? length / 8 + 8 : NODES_FIRST,
	        .names_capacity = 32,
	};
	bool taken;

	gate.nodes = arena_array(arena, gate.nodes_capacity, sizeof(*gate.nodes));
	if (!foreign)
		gate.names = arena_array(arena, gate.names_capacity, sizeof(*gate.names));
	taken = scan_text(&gate);
	*refusal = (struct json_refusal){gate.scan.why, gate.scan.at, gate.repeated};
	return taken ? gate.nodes : NULL;
}
