/* stripe_io.h: a client of Stripe whose answers follow a script, whose requests are kept, and
 * whose clock does not wait. */
#pragma once

#include "support/suite.h"

#include <json-c/json.h>

#include "base/text.h"
#include "net/client.h"
#include "stripe/client.h"
#include "stripe/client_internal.h"

#define STRIPE_TEST_KEY "sk_test_12345"
#define STRIPE_TEST_BASE "https://api.stripe.test"

enum { WORLD_ASKS_MAX = 16 };

struct scripted {
	int status;  /* 0: no answer, and if `reset` for that reason */
	bool reset;  /* ECONNRESET */
	bool unsent; /* no connection was made */
	bool too_large;
	bool replayed;            /* Idempotent-Replayed */
	const char *should_retry; /* a header's value or NULL */
	const char *body;         /* NULL: one that fits the status */
	int64_t takes_us;
};

struct asked {
	struct http_request http; /* copied */
	const char *key;          /* its Idempotency-Key or NULL */
	int64_t at_us;
};

struct world {
	struct arena *arena;
	struct stripe_client *client;
	const struct scripted *script; /* the last one is repeated */
	size_t script_count;
	size_t script_at;
	struct asked asked[WORLD_ASKS_MAX];
	size_t asked_count;
	int64_t waits_us[WORLD_ASKS_MAX];
	size_t wait_count;
	int64_t now_us;
	double random;
	void (*on_ask)(void); /* NULL, or called for each request */
};

static inline void
world_record(struct world *world, const struct http_request *ask)
{
	struct asked *asked = &world->asked[world->asked_count];
	struct http_header *headers =
	        arena_array(world->arena, ask->header_count, sizeof(*headers));

	ck_assert_uint_lt(world->asked_count++, WORLD_ASKS_MAX);
	*asked = (struct asked){.http = *ask, .at_us = world->now_us};
	for (size_t i = 0; i < ask->header_count; i++) {
		headers[i] =
		        (struct http_header){arena_copy(world->arena, ask->headers[i].name),
		                             arena_copy(world->arena, ask->headers[i].value)};
		if (strcmp(headers[i].name, "Idempotency-Key") == 0)
			asked->key = headers[i].value;
	}
	asked->http.headers = headers;
	asked->http.url = arena_copy(world->arena, ask->url);
	if (ask->body)
		asked->http.body = arena_copy_bytes(world->arena, ask->body, ask->body_length);
}

static inline void
world_answer(struct world *world, const struct scripted *scripted, struct http_answer *out)
{
	struct http_header *headers = arena_array(world->arena, 3, sizeof(*headers));
	const char *suits = scripted->status < 300 ? "{\"id\":\"obj_1\"}" : "{\"error\":{}}";

	*out = (struct http_answer){.outcome = HTTP_ANSWERED,
	                            .sent = true,
	                            .status = scripted->status,
	                            .body = scripted->body ? scripted->body : suits};
	out->length = strlen(out->body);
	headers[0] = (struct http_header){
	        "request-id", arena_printf(world->arena, "req_%zu", world->asked_count)};
	out->headers = headers;
	out->header_count = 1;
	if (scripted->should_retry)
		headers[out->header_count++] =
		        (struct http_header){"Stripe-Should-Retry", scripted->should_retry};
	if (scripted->replayed)
		headers[out->header_count++] =
		        (struct http_header){"Idempotent-Replayed", "true"};
}

static inline void
world_ask(void *context, struct arena *arena, const struct http_request *ask,
          struct http_answer *out)
{
	struct world *world = context;
	const struct scripted *scripted = &world->script[world->script_at];
	int64_t timeout_us = ask->timeout_ms * 1000;

	(void)arena;
	if (world->on_ask != NULL)
		world->on_ask();
	world_record(world, ask);
	if (world->script_at + 1 < world->script_count)
		world->script_at++;
	ck_assert_int_gt(timeout_us, 0);
	world->now_us += scripted->takes_us < timeout_us ? scripted->takes_us : timeout_us;
	*out = (struct http_answer){.outcome = scripted->reset ? HTTP_RESET : HTTP_NO_ANSWER,
	                            .sent = !scripted->unsent,
	                            .body = "",
	                            .reason = "as the script says"};
	if (scripted->too_large) {
		out->outcome = HTTP_TOO_LARGE;
		out->status = scripted->status;
	} else if (scripted->status != 0 && scripted->takes_us <= timeout_us) {
		world_answer(world, scripted, out);
	}
}

static inline int64_t
world_now_us(void *context)
{
	return ((struct world *)context)->now_us;
}

static inline void
world_wait(void *context, int64_t us)
{
	struct world *world = context;

	ck_assert_uint_lt(world->wait_count, WORLD_ASKS_MAX);
	world->waits_us[world->wait_count++] = us;
	world->now_us += us;
}

static inline double
world_random(void *context)
{
	return ((struct world *)context)->random;
}

/* Creates the client. */
static inline void
world_begin(struct world *world, struct arena *arena)
{
	*world = (struct world){.arena = arena, .now_us = 1000000000};
	world->client = stripe_client_new(
	        &(struct stripe_client_options){.api_base = STRIPE_TEST_BASE,
	                                        .secret_key = STRIPE_TEST_KEY,
	                                        .api_version = "2025-03-31.basil",
	                                        .max_retries = 2,
	                                        .connect_timeout_ms = 5000,
	                                        .attempt_timeout_ms = 80000});
	ck_assert_ptr_nonnull(world->client);
	stripe_client_use_io(world->client, &(struct stripe_io){world, world_ask, world_now_us,
	                                                        world_wait, world_random});
}

static inline void
world_end(struct world *world)
{
	stripe_client_free(world->client);
}

/* Deletes the kept requests, and begins a script. */
static inline void
world_script(struct world *world, const struct scripted *script, size_t count)
{
	world->script = script;
	world->script_count = count;
	world->script_at = 0;
	world->asked_count = 0;
	world->wait_count = 0;
}

/* The value of the header of that name, or NULL. */
static inline const char *
world_header(const struct http_request *http, const char *name)
{
	for (size_t i = 0; i < http->header_count; i++)
		if (strcmp(http->headers[i].name, name) == 0)
			return http->headers[i].value;
	return NULL;
}

/* Checks that all attempts sent the same request. */
static inline void
world_same_requests(const struct world *world)
{
	for (size_t i = 1; i < world->asked_count; i++) {
		const struct http_request *a = &world->asked[0].http,
		                          *b = &world->asked[i].http;

		ck_assert_str_eq(a->method, b->method);
		ck_assert_str_eq(a->url, b->url);
		ck_assert(text_equal(a->body, b->body));
		ck_assert_uint_eq(a->header_count, b->header_count);
		for (size_t k = 0; k < a->header_count; k++) {
			ck_assert_str_eq(a->headers[k].name, b->headers[k].name);
			ck_assert_str_eq(a->headers[k].value, b->headers[k].value);
		}
	}
}
