/*
 * posts.h: many POST requests at a time to servers that are not trusted, by libcurl's multi interface.
 *
 * A connection is made only to an address that a function of the caller admits at that moment, so a name
 * that changes its address reaches nothing else. TLS is verified (1.2 or newer). No redirect is
 * followed, no proxy, .netrc or cookie of the environment used. Of an answer only the first bytes are
 * read; then the connection is closed. A head of more than 64 KB, interim answers included, is a failure.
 * Make it after fork().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct posts;
struct sockaddr;

enum { POSTS_ANSWER_MAX = 500, POSTS_REASON_MAX = 200 };

struct posts_options {
	const char *user_agent;
	const char *ca_file; /* PEM file of further authorities to trust; NULL: the system's */
	int64_t connect_timeout_ms;
	int64_t timeout_ms; /* of a request, from its start to the last byte read */
	size_t idle_max;    /* connections that are kept for later requests */
	/* Whether a connection to the address may be made, with TLS or without. */
	bool (*admits)(void *context, const struct sockaddr *address, bool https);
	void *context;
};

/* A request. It is copied. */
struct post {
	const char *url;
	bool https;
	const char *const *headers; /* "Name: value" */
	size_t header_count;
	const char *body;
	size_t length;
	void *about; /* comes back with the answer */
};

struct post_answer {
	void *about;
	int status; /* 0: no answer */
	/* Why there is none, or why it is not whole, in printable ASCII; "": it is. */
	char reason[POSTS_REASON_MAX + 1];
	bool refused;          /* no address of the host was admitted */
	int64_t retry_after_s; /* as the answer asks; 0: it does not */
	int64_t took_ms;
	char body[POSTS_ANSWER_MAX + 1]; /* as it came; NUL-terminated */
	size_t length;
};

/* NULL when libcurl cannot be had. The strings of the options must outlive it. */
struct posts *posts_new(const struct posts_options *options);

/* Ends one of the requests that run, without an answer, and gives its `about`; NULL when none runs. */
void *posts_end_one(struct posts *posts);

/* Ends the requests that run. */
void posts_free(struct posts *posts);

/* Starts a request. False when there is no memory for it. */
bool posts_start(struct posts *posts, const struct post *post);

/* Goes on with all requests until one has an answer, or `wait_ms` milliseconds have passed. */
void posts_run(struct posts *posts, int64_t wait_ms);

/* The next request that is over, once each; false when there is none. */
bool posts_next(struct posts *posts, struct post_answer *out);
