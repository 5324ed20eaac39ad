/* sockets.h: the sockets that nginx forwards to, one for each pool of workers. */
#pragma once

#include "api/api.h"
#include "http/connections.h"

struct sockets {
	char *paths[POOL_COUNT]; /* as they were at the start: a reload does not move them */
	int fds[POOL_COUNT];
	struct connections *connections[POOL_COUNT];
};

/* Makes all sockets or none. Failures as of fcgi_listen(). */
enum fail sockets_open(struct task *task, const struct app_settings *settings,
                       struct sockets *out) MUST_CHECK;

/* Removes their names: no new client can connect, and those that have connected are still
 * served. */
void sockets_unlink(const struct sockets *sockets);

/* In a child: closes the sockets and connections of the pools other than `kept`; POOL_COUNT
 * closes all. */
void sockets_close_others(struct sockets *sockets, enum pool kept);

/* Gives workers the connections that they ask for. */
void sockets_attend(const struct sockets *sockets);

/* Whether the settings name the same paths. */
bool sockets_match(const struct sockets *sockets, const struct app_settings *settings);

/* Closes the sockets and frees the memory; the names stay. */
void sockets_free(struct sockets *sockets);
