/* sockets.c: the sockets that nginx forwards to, one for each pool of workers. */
#include "billingd/sockets.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "http/fcgi.h"

/* The first descriptor of kept connections, above all others of a process, and their number in a
 * pool. */
enum { KEPT_FIRST = 1024, KEPT_MAX = 4096 };

/* Raises the limit of open files if the system permits it. Fewer connections are kept if not. */
static size_t
kept_max(void)
{
	struct rlimit limit = {0};
	rlim_t wanted = KEPT_FIRST + POOL_COUNT * KEPT_MAX;

	(void)getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < wanted) {
		limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
		(void)getrlimit(RLIMIT_NOFILE, &limit);
	}
	if (limit.rlim_cur >= wanted)
		return KEPT_MAX;
	return limit.rlim_cur <= KEPT_FIRST ? 0 : (limit.rlim_cur - KEPT_FIRST) / POOL_COUNT;
}

static const char *
path_of(const struct app_settings *settings, size_t pool)
{
	return pool == POOL_STRIPE ? settings->stripe_socket : settings->socket;
}

enum fail
sockets_open(struct task *task, const struct app_settings *settings, struct sockets *out)
{
	size_t max = kept_max();

	*out = (struct sockets){0};
	for (size_t i = 0; i < POOL_COUNT; i++) {
		const char *path = path_of(settings, i);
		enum fail kind = fcgi_listen(task, path, &out->fds[i]);

		if (kind != FAIL_NONE) {
			sockets_unlink(out);
			sockets_free(out);
			return kind;
		}
		out->paths[i] = strdup(path);
		out->connections[i] =
		        connections_new(out->fds[i], KEPT_FIRST + (int)(i * max), max);
		if (out->paths[i] == NULL || out->connections[i] == NULL)
			abort();
	}
	return FAIL_NONE;
}

void
sockets_unlink(const struct sockets *sockets)
{
	for (size_t i = 0; i < POOL_COUNT && sockets->paths[i] != NULL; i++)
		(void)unlink(sockets->paths[i]);
}

void
sockets_close_others(struct sockets *sockets, enum pool kept)
{
	for (size_t i = 0; i < POOL_COUNT; i++) {
		if (i == (size_t)kept)
			continue;
		connections_free(sockets->connections[i]);
		sockets->connections[i] = NULL;
		(void)close(sockets->fds[i]);
	}
}

void
sockets_attend(const struct sockets *sockets)
{
	for (size_t i = 0; i < POOL_COUNT; i++)
		connections_attend(sockets->connections[i]);
}

bool
sockets_match(const struct sockets *sockets, const struct app_settings *settings)
{
	for (size_t i = 0; i < POOL_COUNT; i++)
		if (strcmp(sockets->paths[i], path_of(settings, i)) != 0)
			return false;
	return true;
}

void
sockets_free(struct sockets *sockets)
{
	for (size_t i = 0; i < POOL_COUNT; i++) {
		if (sockets->paths[i] != NULL)
			(void)close(sockets->fds[i]);
		connections_free(sockets->connections[i]);
		free(sockets->paths[i]);
		sockets->connections[i] = NULL;
		sockets->paths[i] = NULL;
	}
}
