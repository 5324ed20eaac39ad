/*
 * fcgi.h: FastCGI requests in, answers out. The only room that knows libfcgi.
 *
 * The peer is trusted to be nginx (libfcgi is not safe against others), hence a Unix socket
 * that only nginx's group may open.
 */
#pragma once

#include "http/request.h"
#include "http/response.h"

struct fcgi;

/* A bound, listening, non-blocking, close-on-exec Unix socket with mode 0660; a stale file is
 * replaced, a living one is FAIL_CONFLICT "socket_in_use", another kind of file
 * "socket_failed". The caller closes *out. */
enum fail fcgi_listen(struct task *task, const char *path, int *out) MUST_CHECK;

/* A worker's reader of requests. libfcgi replaces signal handlers here: install yours
 * afterwards. Ends the process when libfcgi cannot start. */
struct fcgi *fcgi_new(void);
void fcgi_free(struct fcgi *fcgi);

/* Reads the whole request that arrives on the connection into the arena of request->task. False
 * when there is none; the connection is closed then. */
bool fcgi_read(struct fcgi *fcgi, int fd, struct request *request);

/* Where the connection stands after an answer: the peer keeps it for its next request; it is to be
 * closed; it is closed already, since the peer is gone. */
enum fcgi_end { FCGI_KEEP, FCGI_CLOSE, FCGI_CLOSED };

/* Writes the answer and ends the request. The connection is the caller's again. */
enum fcgi_end fcgi_answer(struct fcgi *fcgi, const struct request *request,
                          const struct response *response);
