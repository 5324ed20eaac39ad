/* sockets.c: the sockets that nginx forwards to, one for each pool of workers. */
#include "billingd/sockets.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http/fcgi.h"

static const char *
path_of(const struct app_settings *settings, size_t pool)
{
	return pool == POOL_STRIPE ? settings->stripe_socket : settings->socket;
}

enum fail
sockets_open(struct task *task, const struct app_settings *settings, struct sockets *out)
{
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
		if (out->paths[i] == NULL)
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
sockets_close_others(const struct sockets *sockets, int kept)
{
	for (size_t i = 0; i < POOL_COUNT; i++)
		if (sockets->fds[i] != kept)
			(void)close(sockets->fds[i]);
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
		free(sockets->paths[i]);
		sockets->paths[i] = NULL;
	}
}
