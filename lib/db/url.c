/* url.c: the parts of a connection string, and the order in which its hosts are tried. */
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

/* The place in the list of the host that answered last. A wrong one only changes the order. */
static size_t good;

static bool
is_several(const char *list)
{
	return list != NULL && strchr(list, ',') != NULL;
}

/* The item of the list at that place; a single item stands for all. NULL behind the last. */
static const char *
item_at(struct arena *arena, const char *list, size_t place)
{
	if (list == NULL || !is_several(list))
		return list;
	for (; place > 0; place--) {
		list = strchr(list, ',');
		if (list == NULL)
			return NULL;
		list++;
	}
	return arena_copy_bytes(arena, list, strcspn(list, ","));
}

/* The list from that place on, and then what stands before it. */
static const char *
rotate(struct arena *arena, const char *list, size_t place)
{
	const char *start = list;

	if (!is_several(list))
		return list;
	for (; place > 0; place--) {
		start = strchr(start, ',');
		if (start == NULL)
			return list;
		start++;
	}
	if (start == list)
		return list;
	return arena_printf(arena, "%s,%.*s", start, (int)(start - list - 1), list);
}

struct hosts
db_hosts(struct arena *arena, const char *url)
{
	const char *names = db_url_part(arena, url, "host");
	const char *addresses = db_url_part(arena, url, "hostaddr");
	const char *ports = db_url_part(arena, url, "port");

	return (struct hosts){
	        .names = rotate(arena, names, good),
	        .addresses = rotate(arena, addresses, good),
	        .ports = rotate(arena, ports, good),
	        .several = is_several(names) || is_several(addresses),
	};
}

void
db_hosts_remember(struct arena *arena, const char *url, const char *host, const char *port)
{
	const char *names = db_url_part(arena, url, "host");
	const char *ports = db_url_part(arena, url, "port");

	if (names == NULL)
		names = db_url_part(arena, url, "hostaddr");
	for (size_t i = 0; is_several(names); i++) {
		const char *name = item_at(arena, names, i);
		const char *its_port = item_at(arena, ports, i);

		if (name == NULL)
			return;
		if (strcmp(name, host) != 0 ||
		    (its_port != NULL && *its_port != '\0' && strcmp(its_port, port) != 0))
			continue;
		good = i;
		return;
	}
}
