/*
 * serve.h: answers the local application on a Unix socket or on 127.0.0.1.
 *
 * One thread with non-blocking sockets. Every process that can reach the socket is answered.
 */
#pragma once

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
	bool on_network;  /* it listens on 127.0.0.1, which web pages can reach */
	const char *path; /* of the socket, or NULL */
	struct connection *connections[SERVE_CONNECTIONS_MAX];
	size_t count;
	serve_handler *handler;
	void *context;
};

/* Listens on a path (mode 0660; a socket that no process serves is replaced) or on
 * "127.0.0.1:PORT". The caller sets handler and context. FAIL_UNAVAILABLE "cannot_listen". */
enum fail serve_open(struct task *task, const char *listen, struct server *out) MUST_CHECK;

/* Fills what poll() is to wait for, at most SERVE_CONNECTIONS_MAX + 1; returns how many. */
size_t serve_watch(const struct server *server, struct pollfd *out);

/* Handles what poll() found, and closes connections that have been idle for 30 s. */
void serve_run(struct server *server, const struct pollfd *found, int64_t now_us);

void serve_close(struct server *server);
