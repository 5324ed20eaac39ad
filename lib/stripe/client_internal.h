/* client_internal.h: how the client sends, reads the clock and waits. Tests put their own
 * functions here, so that no real second passes. */
#pragma once

#include <stdint.h>

struct arena;
struct http_answer;
struct http_request;
struct stripe_client;

struct stripe_io {
	void *context; /* handed to each of the calls */
	void (*send)(void *context, struct arena *arena, const struct http_request *request,
	             struct http_answer *out);
	int64_t (*now_us)(void *context); /* monotonic */
	void (*wait)(void *context, int64_t us);
	double (*random)(void *context); /* in [0, 1) */
};

/* Replaces the real functions, for good. */
void stripe_client_use_io(struct stripe_client *client, const struct stripe_io *io);
