/* gate.h: checks that a text is JSON, and indexes its values. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

/* Open objects and lists, at most. */
enum { JSON_DEPTH = 16, JSON_FOREIGN_DEPTH = 64 };

/* JSON_STRICT: I-JSON (RFC 7493), that is RFC 8259 in well-formed UTF-8 without duplicate names, NUL and
 * lone surrogates, with integers that fit int64, finite numbers, JSON_DEPTH levels. JSON_BODY: likewise,
 * with numbers of any size, so that a number that is too large makes one field bad and not the whole text.
 * JSON_FOREIGN: RFC 8259 in well-formed UTF-8, JSON_FOREIGN_DEPTH levels. */
enum json_rules { JSON_STRICT, JSON_BODY, JSON_FOREIGN };

/* A value, or the name of a member. Nodes follow each other as in the text: the content of an object
 * or a list comes behind its node, and a member's value behind the node of its name. */
struct json_node {
	uint32_t at;     /* the place of its first byte in the text */
	uint32_t length; /* in bytes, with quotes and brackets */
	uint32_t count;  /* members of an object, items of a list */
	uint32_t
	        next; /* from an item, or a member's name, to the next one; 0: it is the last */
};

/* Why a text was refused. */
struct json_refusal {
	const char *why;
	size_t offset;        /* the byte at which the gate stopped */
	const char *repeated; /* the name that occurs twice in an object, or NULL */
};

/* The index of the text, in the arena, beginning with the node of the outermost value; NULL
 * when the rules refuse the text. A byte order mark in front is passed over, and UTF-16 is named in the
 * refusal. */
const struct json_node *json_gate(struct arena *arena, const char *text, size_t length,
                                  enum json_rules rules, struct json_refusal *refusal);
