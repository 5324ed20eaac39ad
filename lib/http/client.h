/*
 * client.h: one HTTP request to another server and its answer, by libcurl.
 *
 * One handle keeps its connections for the next request. TLS is always verified; redirects are
 * never followed; nothing waits beyond the time given.
 */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct http_client;

struct http_client_options {
	const char *user_agent;
	const char *ca_file;     /* PEM file of the authorities to trust; NULL: the system's */
	const char *unix_socket; /* connect here instead of to the URL's host; NULL: no */
	int64_t connect_timeout_ms;
	size_t body_max; /* a longer answer is HTTP_TOO_LARGE */
};

enum http_outcome {
	HTTP_ANSWERED,
	HTTP_NO_ANSWER, /* name, connection, TLS, time over, or cut short */
	HTTP_RESET,     /* ECONNRESET or EPIPE: a kept connection may just have been stale */
	HTTP_TOO_LARGE
};

struct http_header {
	const char *name; /* as sent */
	const char *value;
};

struct http_ask {
	const char *method;
	const char *url;
	const struct http_header *headers;
	size_t header_count;
	const char *body; /* NULL: none; "" still sends Content-Length: 0 with POST */
	size_t body_length;
	int64_t timeout_ms; /* from the first packet to the last */
};

struct http_answer {
	enum http_outcome outcome;
	const char *reason; /* why there is no answer, for the log; never a secret */
	int status;
	const char *body; /* NUL-terminated */
	size_t length;
	const struct http_header *headers;
	size_t header_count;
};

/* NULL when libcurl cannot be had. */
struct http_client *http_client_new(const struct http_client_options *options);
void http_client_free(struct http_client *client);

/* Asks and waits. What `out` points to lives in the arena. */
void http_client_ask(struct http_client *client, struct arena *arena,
                     const struct http_ask *ask, struct http_answer *out);

/* The value of the answer's header, or NULL; names compare without case. */
const char *http_answer_header(const struct http_answer *answer, const char *name);

#endif
