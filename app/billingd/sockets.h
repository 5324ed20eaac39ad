/*
 * sockets.h: the sockets that nginx forwards to, one for each pool of workers.
 */
#ifndef BILLINGD_SOCKETS_H
#define BILLINGD_SOCKETS_H

#include "api/api.h"

struct sockets {
	char *paths[POOL_COUNT]; /* as they were at the start: a reload does not move them */
	int fds[POOL_COUNT];
};

/* Makes all of them, or none: failures as of fcgi_listen(). */
enum fail sockets_open(struct task *task, const struct app_settings *settings,
                       struct sockets *out) MUST_CHECK;

/* Takes their names away: nobody new can connect, who has done so is still served. */
void sockets_unlink(const struct sockets *sockets);

/* In a child: closes those that are not `kept`. */
void sockets_close_others(const struct sockets *sockets, int kept);

/* Whether the settings still name these. */
bool sockets_match(const struct sockets *sockets, const struct app_settings *settings);

/* The master's end: the memory, not the names. */
void sockets_free(struct sockets *sockets);

#endif
