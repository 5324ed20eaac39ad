/* values.h: lists of features and limits for tests. */
#pragma once

#include <string.h>

#include "base/arena.h"
#include "licensing/values.h"

#define NUMBER(NAME, VALUE)                                                                    \
	{                                                                                      \
		.name = (NAME), .type = VALUE_INTEGER, .number = (VALUE)                       \
	}
#define TRUTH(NAME, VALUE)                                                                     \
	{                                                                                      \
		.name = (NAME), .type = VALUE_BOOLEAN, .truth = (VALUE)                        \
	}
#define TEXT(NAME, VALUE)                                                                      \
	{                                                                                      \
		.name = (NAME), .type = VALUE_TEXT, .text = (VALUE)                            \
	}
#define VALUES(...)                                                                            \
	((struct license_values){(const struct license_value[]){__VA_ARGS__},                  \
	                         sizeof((const struct license_value[]){__VA_ARGS__}) /         \
	                                 sizeof(struct license_value)})

/* The list with an integer in the place of that name's value, or at its end. */
static inline struct license_values
values_with(struct arena *arena, struct license_values values, const char *name, int64_t number)
{
	struct license_value *items = arena_array(arena, values.count + 1, sizeof(*items));
	size_t i = 0;

	memcpy(items, values.items, values.count * sizeof(*items));
	while (i < values.count && strcmp(items[i].name, name) != 0)
		i++;
	items[i] = (struct license_value)NUMBER(name, number);
	return (struct license_values){items, i == values.count ? i + 1 : values.count};
}
