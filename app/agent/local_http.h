/*
 * local_http.h: parses the requests of the local application: the part of HTTP/1.1 (RFC 9112)
 * that clients use on a local socket. Pure functions that allocate nothing.
 *
 * No library fits: libmicrohttpd loads GnuTLS and takes 7.6 MB before the first request, of the
 * 8 MB that the agent may use.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { LOCAL_REQUEST_MAX = 16 * 1024, LOCAL_WORD_MAX = 256 };

struct local_request {
	char method[8];
	char path[LOCAL_WORD_MAX]; /* without the query */
	char host[LOCAL_WORD_MAX]; /* "" when there is none */
	const char *body; /* points into the bytes that were read; not NUL-terminated */
	size_t body_length;
	bool keep_alive;
};

enum local_verdict {
	LOCAL_MORE, /* the request is not complete yet */
	LOCAL_WHOLE,
	LOCAL_BAD /* `status` says why; the connection must be closed */
};

/* Parses the request at the start of the bytes. `consumed` is its length, `status` the status
 * of a refusal (400, 411, 413, 417, 431, 505). */
enum local_verdict local_http_read(const char *bytes, size_t length, struct local_request *out,
                                   size_t *consumed, int *status);

/* "OK" for 200 and so on. */
const char *local_http_reason(int status);
