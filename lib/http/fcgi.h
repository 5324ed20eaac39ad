/*
 * fcgi.h: FastCGI requests in, answers out. The only room that knows libfcgi.
 *
 * The peer is trusted to be nginx (libfcgi is not safe against others), hence a Unix socket
 * that only nginx's group may open, and a connection per request.
 */
#pragma once

#include "http/request.h"
#include "http/response.h"

struct fcgi;

/* A bound, listening, non-blocking, close-on-exec Unix socket with mode 0660; a stale file is
 * replaced, a living one is FAIL_CONFLICT "socket_in_use", another kind of file
 * "socket_failed". The caller closes *out. */
enum fail fcgi_listen(struct task *task, const char *path, int *out) MUST_CHECK;

/* The worker's side of the listening socket. libfcgi replaces signal handlers here: install
 * yours afterwards. Ends the process when libfcgi cannot start. */
struct fcgi *fcgi_new(int listen_fd);
void fcgi_free(struct fcgi *fcgi);

enum fcgi_accepted { FCGI_REQUEST, FCGI_NOTHING, FCGI_BROKEN };

/* Accepts a waiting connection and reads its whole request into the arena of request->task.
 * NOTHING: another worker took it. BROKEN: this process should end (no descriptors left). */
enum fcgi_accepted fcgi_accept(struct fcgi *fcgi, struct request *request);

/* Writes the answer in one piece and ends the request. False when the peer is gone. */
bool fcgi_answer(struct fcgi *fcgi, const struct request *request,
                 const struct response *response);
