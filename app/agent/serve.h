/*
 * serve.h: answers the local application on a Unix socket or on 127.0.0.1.
 *
 * One thread, sockets that never block. Whoever can reach the socket may ask: it stands for the
 * machine's own application.
 */
#ifndef AGENT_SERVE_H
#define AGENT_SERVE_H

#include <poll.h>
#include <stdint.h>

#include "agent/local_http.h"
#include "base/failure.h"

enum { SERVE_CONNECTIONS_MAX = 64 };

struct serve_answer {
	int status;
	const char *type;
	const char *body; /* lives until the next request */
};

/* Answers one request. */
typedef void serve_handler(void *context, const struct local_request *request,
                           struct serve_answer *answer);

struct connection;

struct server {
	int listener;
	bool on_network;  /* 127.0.0.1: pages of a browser might reach it */
	const char *path; /* of the socket, or NULL */
	struct connection *connections[SERVE_CONNECTIONS_MAX];
	size_t count;
	serve_handler *handler;
	void *context;
};

/* Listens on the path (mode 0660; a socket that nobody serves is replaced) or on "127.0.0.1:PORT".
 * FAIL_UNAVAILABLE "cannot_listen". The caller sets handler and context. */
enum fail serve_open(struct task *task, const char *listen, struct server *out) MUST_CHECK;

/* Fills what to wait for, SERVE_CONNECTIONS_MAX + 1 at most; how many. */
size_t serve_watch(const struct server *server, struct pollfd *out);

/* Does what poll() found possible, and drops connections that have been silent for half a minute. */
void serve_run(struct server *server, const struct pollfd *found, int64_t now_us);

void serve_close(struct server *server);

#endif
