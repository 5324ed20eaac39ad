/*
 * connections.h: the connections of nginx to one pool of workers. An idle one belongs to no worker:
 * each request is served by a worker that is free, in the order of arrival.
 *
 * All workers wait at one epoll, which the master makes before it starts them. A kept connection
 * has a place, which gives it the same descriptor in all processes. A worker that keeps a new
 * connection sends it to the master, from which the others get it: by fork(), or when they ask. So
 * a worker that ends, or is killed, takes no connection with it but the one that it serves.
 *
 * A connection that nginx does not keep is accepted, served and closed by one worker, as without
 * all this.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct connections;

/* In the master. At most `max` connections are kept; the descriptors from `first_fd` on are for
 * them. NULL when there is no memory or no descriptor. The process gets SIGIO, which must be
 * blocked, when workers have sent something. */
struct connections *connections_new(int listen_fd, int first_fd, size_t max);

/* In the master after SIGIO: stores connections and gives them to workers. Never waits. */
void connections_attend(struct connections *connections);

/* In the master after the end of a worker: closes the connection that it served, and wakes another
 * worker for requests for which it had been woken. */
void connections_release(struct connections *connections, pid_t worker);

/* Closes this process's descriptors and frees the memory. NULL does nothing. */
void connections_free(struct connections *connections);

/* In a worker, first of all. False when there is no descriptor left. */
bool connections_enter(struct connections *connections);

/* A connection on which a request has begun to arrive. The worker that got it keeps or closes
 * it. */
struct connection {
	int fd;
	ssize_t place; /* -1: it is new */
};

enum connections_found {
	CONNECTIONS_REQUEST,
	CONNECTIONS_NOTHING,     /* another worker took it, or there is no request yet */
	CONNECTIONS_EMPTY,       /* the time is over */
	CONNECTIONS_INTERRUPTED, /* by a signal */
	CONNECTIONS_BROKEN, /* this process should end: no descriptors left, or no master */
};

/* Waits for a request, for ever if `timeout_ms` is -1. Meanwhile `blocked` are the blocked
 * signals. */
enum connections_found connections_wait(struct connections *connections, int timeout_ms,
                                        const sigset_t *blocked, struct connection *out);

/* After an answer: the next request of the connection may be served by any worker. */
void connections_keep(struct connections *connections, const struct connection *connection);

/* Closes it for nginx. `closed`: this process's descriptor is closed already. */
void connections_close(struct connections *connections, const struct connection *connection,
                       bool closed);
