/*
 * client_internal.h: what the client needs of the world outside, so that tests can put
 * another world around it, in which no second passes.
 */
#ifndef STRIPE_CLIENT_INTERNAL_H
#define STRIPE_CLIENT_INTERNAL_H

#include <stdint.h>

struct arena;
struct http_answer;
struct http_ask;
struct stripe_client;

struct stripe_world {
	void *context; /* handed to each of the calls */
	void (*ask)(void *context, struct arena *arena, const struct http_ask *ask,
	            struct http_answer *out);
	int64_t (*now_us)(void *context); /* monotonic */
	void (*wait)(void *context, int64_t us);
	double (*random)(void *context); /* in [0, 1) */
};

/* Replaces the real world, for good. */
void stripe_client_use(struct stripe_client *client, const struct stripe_world *world);

#endif
