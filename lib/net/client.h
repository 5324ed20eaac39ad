/*
 * client.h: one HTTP request to another server and its answer, by libcurl.
 *
 * One handle keeps its connections for the next request. TLS is always verified (1.2 or newer);
 * redirects are never followed; no request takes longer than the time given. Proxies of the
 * environment, .netrc and cookies are ignored: settings alone say where requests with keys go.
 * A client belongs to the process that made it: make it after fork().
 *
 * When the server has closed a kept connection meanwhile, the request is sent once more on a
 * new one. So any request may arrive twice: one that changes something needs an idempotency
 * key.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct http_client;

struct http_client_options {
	const char *user_agent;
	const char *ca_file; /* PEM file of the authorities to trust; NULL: the system's */
	const char *proxy;   /* http://[user:password@]host:port to go through; NULL: none */
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

struct http_request {
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
	bool sent;  /* false: not a byte of the request has left, nothing can have happened */
	int status; /* 0 without an answer */
	const char *body; /* NUL-terminated; "" without an answer */
	size_t length;
	const struct http_header *headers;
	size_t header_count;
};

/*
 * Judges a URL that keys are sent to, as libcurl reads it: NULL when it has the scheme https, or
 * http and a host that is this machine itself, so that no key crosses a network in the clear;
 * else why not. User names are refused: "http://127.0.0.1:1@example.com" is at example.com.
 */
const char *http_check_key_url(const char *url);

/* The host is "localhost" or an address of the loopback network, as libcurl has written it: an IPv4
 * address in its one usual form, an IPv6 address between brackets. */
bool http_is_loopback(const char *host);

/* NULL when libcurl cannot be had. The strings of the options must outlive the client. */
struct http_client *http_client_new(const struct http_client_options *options);
void http_client_free(struct http_client *client);

/* Sends the request and waits for the answer. What `out` points to lives in the arena. A
 * method, URL or header with a control character is never sent: HTTP_NO_ANSWER. */
void http_client_send(struct http_client *client, struct arena *arena,
                      const struct http_request *request, struct http_answer *out);

/* The value of the answer's header, or NULL; names compare without case. */
const char *http_answer_header(const struct http_answer *answer, const char *name);
