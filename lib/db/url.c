/* url.c: the parts of a connection string. */
#include <string.h>

#include "base/arena.h"
#include "db/internal.h"

/* The option's value in the list; NULL when it is not set. Frees the list. */
static const char *
take(struct arena *arena, PQconninfoOption *options, const char *name)
{
	const char *value = NULL;

	for (const PQconninfoOption *o = options; o != NULL && o->keyword != NULL; o++)
		if (strcmp(o->keyword, name) == 0 && o->val != NULL)
			value = arena_copy(arena, o->val);
	PQconninfoFree(options);
	return value;
}

const char *
db_url_part(struct arena *arena, const char *url, const char *name)
{
	const char *value = take(arena, PQconninfoParse(url, NULL), name);

	return value != NULL ? value : take(arena, PQconndefaults(), name);
}
