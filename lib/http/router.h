/*
 * router.h: from a path to a row of a table of patterns.
 *
 * Patterns are literal segments and ":name" parameters. The path is split at its slashes before
 * it is percent-decoded, so that an encoded slash never changes the structure.
 */
#pragma once

#include "http/request.h"

/* The start of each row of the application's table of routes. */
struct router_entry {
	enum http_method method;
	const char *pattern;
};

/* A table whose rows are `row_size` bytes and start with a router_entry. Literal segments win
 * over parameters, whatever the order of the rows. */
struct router {
	const void *rows;
	size_t row_size;
	size_t count;
};

/* The row for the request's method and path, filling its parameters; HEAD finds GET's row. NULL
 * when there is none; then `*allowed` has one bit (1 << method) for each method that the path
 * does have (0: no such path). */
const void *router_find(const struct router *router, struct request *request,
                        unsigned int *allowed);

/* NULL when the table is sound, else the pattern that stands twice or cannot be reached. */
const char *router_fault(const struct router *router);
