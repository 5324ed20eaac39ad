/* lane.h: one endpoint in the memory of the process that sends: its secrets, and the deliveries that it has
 * taken. Endpoints do not wait for each other: each has a lane of its own. */
#pragma once

#include "webhooks/endpoints.h"
#include "webhooks/queue.h"
#include "webhooks/signature.h"

/* A delivery in memory: taken, on its way, or answered and not recorded yet. */
struct delivery {
	struct delivery *next;
	struct lane *lane;
	char *body; /* NULL: the event is no longer kept */
	char *url;  /* that was asked; NULL: none */
	char row_id[40];
	char event_id[48];
	char customer_id[64]; /* of the event; "": none */
	int64_t attempts;
	int64_t lease_until_us; /* clock_monotonic_us() */
	int64_t started_ms;
	bool test;
};

struct lane {
	char endpoint_id[32]; /* "": the lane is free */
	char url[WEBHOOK_URL_MAX + 1];
	bool https;
	bool can_send;       /* the endpoint is enabled and its secret is known */
	bool may_be_due;     /* a delivery may be due */
	bool has_new_events; /* events lie behind its cursor */
	bool is_listed;      /* in the newest list of endpoints */
	uint8_t secrets[2][WEBHOOK_SECRET_SIZE];
	size_t secret_count;
	uint8_t sealed[64]; /* the beginnings of the sealed secrets that were opened */
	struct instant failing_since;
	struct instant paused_until;
	struct instant last_success_at;
	struct delivery *first; /* taken, not sent yet */
	struct delivery *last;
	size_t waiting;
	size_t running;
	size_t unrecorded;      /* answers that are not in the database yet */
	int64_t window;         /* the most that are taken ahead */
	int64_t answered;       /* since the list of endpoints was read */
	int64_t rows_requested; /* rows that the running statement still has to return */
};

enum { LANES_MAX = 2 * WEBHOOK_ENDPOINTS_MAX };

struct lanes {
	struct lane items[LANES_MAX];
	size_t first; /* index of the lane that lanes_ask() begins with */
};

/* Gives each of these endpoints a lane. All other lanes are closed: what they have taken is forgotten, so
 * that its lease ends. */
void lanes_follow(struct lanes *lanes, struct arena *arena, const struct webhook_keys *keys,
                  const struct webhook_sendable *endpoints, size_t count);

/* Forgets everything that was taken and does not run. */
void lanes_clear(struct lanes *lanes);

/* How many deliveries each lane takes now, `room` in all; how many lanes take some. The first lane that has less
 * than it wants begins the next time, so that none waits for ever behind others. */
size_t lanes_ask(struct lanes *lanes, int64_t now_ms, int64_t room,
                 struct webhook_want wants[static LANES_MAX]);

/* Whether a delivery is in memory that an endpoint which does not fail may get now. */
bool lanes_can_send(const struct lanes *lanes, int64_t now_ms);

/* The rows that were taken and not sent, and whose lease lasts for an attempt still. */
struct string_list lane_unsent(const struct lane *lane, struct arena *arena, int64_t now_us);

/* Adds a delivery that was taken until this time. */
void lane_add(struct lane *lane, const struct webhook_taken *taken, const char *body,
              int64_t lease_until_us);

/* The next delivery to send, or NULL: none may be sent now. It runs until lane_done(). */
struct delivery *lane_next(struct lane *lane, int64_t now_ms, int64_t now_us);
void lane_done(struct lane *lane, bool delivered);

/* The lane of the endpoint, or NULL. */
struct lane *lanes_find(struct lanes *lanes, const char *endpoint_id);

void delivery_free(struct delivery *delivery);
