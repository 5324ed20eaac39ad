/* lane.c: the endpoints in the memory of the process that sends. */
#include "webhooks/lane.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/text.h"
#include "net/url.h"
#include "webhooks/sender.h"

/* A request takes 15 s at most; its lease must last for it. */
enum { WINDOW_MIN = WEBHOOK_REQUESTS_MAX, WINDOW_MAX = 256, ATTEMPT_US = 16 * 1000 * 1000 };

void
delivery_free(struct delivery *delivery)
{
	free(delivery->body);
	free(delivery->url);
	free(delivery);
}

static void
forget_waiting(struct lane *lane)
{
	while (lane->first != NULL) {
		struct delivery *delivery = lane->first;

		lane->first = delivery->next;
		delivery_free(delivery);
	}
	lane->last = NULL;
	lane->waiting = 0;
}

/* Free lanes are only read, so that their pages, most of 230 KB, take no memory. */
static bool
is_free(const struct lane *lane)
{
	return lane->endpoint_id[0] == '\0';
}

struct lane *
lanes_find(struct lanes *lanes, const char *endpoint_id)
{
	for (size_t i = 0; i < LANES_MAX; i++)
		if (strcmp(lanes->items[i].endpoint_id, endpoint_id) == 0)
			return &lanes->items[i];
	return NULL;
}

static void
copy(char *out, size_t size, const char *text)
{
	size_t length = strlen(text);

	if (length >= size)
		length = size - 1;
	memcpy(out, text, length);
	out[length] = '\0';
}

/* Opens one sealed secret and keeps it. */
static bool
open_secret(struct lane *lane, struct arena *arena, const struct webhook_key *key,
            struct bytes sealed)
{
	struct bytes secret;

	if (!webhook_key_open(arena, key, sealed, &secret) ||
	    secret.length != WEBHOOK_SECRET_SIZE)
		return false;
	memcpy(lane->secrets[lane->secret_count++], secret.data, WEBHOOK_SECRET_SIZE);
	return true;
}

/* The beginnings of sealed secrets are random, so that they tell which secrets these are. */
static void
mark(uint8_t out[static 64], const struct webhook_sendable *endpoint)
{
	memset(out, 0, 64);
	if (endpoint->secret.length >= 32)
		memcpy(out, endpoint->secret.data, 32);
	if (endpoint->old_secret.length >= 32)
		memcpy(out + 32, endpoint->old_secret.data, 32);
}

/* Opens the secrets, unless they are the ones that the lane has. */
static bool
open_secrets(struct lane *lane, struct arena *arena, const struct webhook_keys *keys,
             const struct webhook_sendable *endpoint)
{
	const struct webhook_key *key = webhook_keys_find(keys, endpoint->seal_key);
	uint8_t now[64];

	mark(now, endpoint);
	if (lane->secret_count > 0 && memcmp(now, lane->sealed, sizeof(now)) == 0)
		return true;
	lane->secret_count = 0;
	if (key == NULL || !open_secret(lane, arena, key, endpoint->secret))
		return false;
	if (endpoint->old_secret.length > 0)
		(void)open_secret(lane, arena, key, endpoint->old_secret);
	memcpy(lane->sealed, now, sizeof(now));
	return true;
}

/* Twice the answers since the last look, between WINDOW_MIN and WINDOW_MAX. */
static int64_t
next_window(const struct lane *lane)
{
	int64_t window = 2 * lane->answered;

	if (lane->failing_since.known)
		return WEBHOOK_REQUESTS_FAILING;
	return window < WINDOW_MIN ? WINDOW_MIN : window > WINDOW_MAX ? WINDOW_MAX : window;
}

static void
follow(struct lane *lane, struct arena *arena, const struct webhook_keys *keys,
       const struct webhook_sendable *endpoint)
{
	struct http_url url;
	bool was_open = lane->can_send;

	copy(lane->endpoint_id, sizeof(lane->endpoint_id), endpoint->endpoint_id);
	copy(lane->url, sizeof(lane->url), endpoint->url);
	lane->is_listed = true;
	lane->https = http_url_read(arena, endpoint->url, &url) == NULL && url.https;
	lane->can_send = open_secrets(lane, arena, keys, endpoint);
	lane->failing_since = endpoint->failing_since;
	lane->paused_until = endpoint->paused_until;
	lane->last_success_at = endpoint->last_success_at;
	lane->has_new_events = endpoint->has_new_events;
	lane->may_be_due = endpoint->due;
	lane->window = next_window(lane);
	lane->answered = 0;
	if (was_open && !lane->can_send)
		log_line(LOG_LEVEL_ERROR, "the secret of a webhook endpoint cannot be opened",
		         LOG_S("endpoint_id", lane->endpoint_id));
}

/* A lane without an endpoint. */
static struct lane *
free_lane(struct lanes *lanes)
{
	for (size_t i = 0; i < LANES_MAX; i++) {
		struct lane *lane = &lanes->items[i];

		if (!is_free(lane))
			continue;
		*lane = (struct lane){.can_send = true};
		return lane;
	}
	return NULL;
}

/* Closes the lanes of endpoints that are not listed; those to which no request and no answer belongs become
 * free. */
static void
close_others(struct lanes *lanes)
{
	for (size_t i = 0; i < LANES_MAX; i++) {
		struct lane *lane = &lanes->items[i];

		if (is_free(lane) || lane->is_listed)
			continue;
		forget_waiting(lane);
		lane->can_send = false;
		lane->secret_count = 0;
		if (lane->running == 0 && lane->unrecorded == 0)
			lane->endpoint_id[0] = '\0';
	}
}

void
lanes_follow(struct lanes *lanes, struct arena *arena, const struct webhook_keys *keys,
             const struct webhook_sendable *endpoints, size_t count)
{
	for (size_t i = 0; i < LANES_MAX; i++)
		if (!is_free(&lanes->items[i]))
			lanes->items[i].is_listed = false;
	for (size_t i = 0; i < count; i++) {
		struct lane *lane = lanes_find(lanes, endpoints[i].endpoint_id);

		if (lane == NULL)
			lane = free_lane(lanes);
		if (lane != NULL)
			follow(lane, arena, keys, &endpoints[i]);
	}
	close_others(lanes);
}

void
lanes_clear(struct lanes *lanes)
{
	for (size_t i = 0; i < LANES_MAX; i++)
		forget_waiting(&lanes->items[i]);
}

/* Requests at a time that the endpoint may get now. */
static size_t
most_running(const struct lane *lane, int64_t now_ms)
{
	if (!lane->can_send || (lane->paused_until.known && lane->paused_until.ms > now_ms))
		return 0;
	return lane->failing_since.known ? WEBHOOK_REQUESTS_FAILING : WEBHOOK_REQUESTS_MAX;
}

bool
lanes_can_send(const struct lanes *lanes, int64_t now_ms)
{
	for (size_t i = 0; i < LANES_MAX; i++) {
		const struct lane *lane = &lanes->items[i];

		if (lane->first != NULL && !lane->failing_since.known &&
		    lane->running < most_running(lane, now_ms))
			return true;
	}
	return false;
}

struct string_list
lane_unsent(const struct lane *lane, struct arena *arena, int64_t now_us)
{
	const char **rows = arena_alloc(arena, (lane->waiting + 1) * sizeof(*rows));
	size_t count = 0;

	for (const struct delivery *d = lane->first; d != NULL; d = d->next)
		if (d->lease_until_us >= now_us + ATTEMPT_US)
			rows[count++] = d->row_id;
	return (struct string_list){.count = count, .items = rows};
}

/* How many deliveries the lane would take now. */
static int64_t
lane_wants(const struct lane *lane, int64_t now_ms)
{
	int64_t taken = (int64_t)(lane->waiting + lane->running);

	/* A window that is half full is left alone, so that rows are taken in batches. */
	if (!lane->may_be_due || most_running(lane, now_ms) == 0 || 2 * taken > lane->window)
		return 0;
	return lane->window - taken;
}

size_t
lanes_ask(struct lanes *lanes, int64_t now_ms, int64_t room,
          struct webhook_want wants[static LANES_MAX])
{
	size_t count = 0, first = lanes->first;
	bool is_full = false;

	for (size_t n = 0; n < LANES_MAX; n++) {
		size_t i = (first + n) % LANES_MAX;
		struct lane *lane = &lanes->items[i];
		int64_t want;

		if (is_free(lane))
			continue;
		want = lane_wants(lane, now_ms);
		if (want > room && !is_full) {
			is_full = true;
			lanes->first = i;
		}
		lane->rows_requested = want < room ? want : room;
		if (lane->rows_requested == 0)
			continue;
		room -= lane->rows_requested;
		wants[count++] = (struct webhook_want){lane->endpoint_id, lane->url,
		                                       lane->rows_requested};
	}
	return count;
}

void
lane_add(struct lane *lane, const struct webhook_taken *taken, const char *body,
         int64_t lease_until_us)
{
	struct delivery *delivery = calloc(1, sizeof(*delivery));

	if (delivery == NULL)
		return;
	*delivery = (struct delivery){.lane = lane,
	                              .body = body == NULL ? NULL : strdup(body),
	                              .attempts = taken->attempts,
	                              .lease_until_us = lease_until_us,
	                              .test = taken->test};
	copy(delivery->row_id, sizeof(delivery->row_id), taken->row_id);
	copy(delivery->event_id, sizeof(delivery->event_id), taken->event_id);
	if (taken->customer_id != NULL)
		copy(delivery->customer_id, sizeof(delivery->customer_id), taken->customer_id);
	if (lane->last == NULL)
		lane->first = delivery;
	else
		lane->last->next = delivery;
	lane->last = delivery;
	lane->waiting++;
	lane->rows_requested--;
}

static struct delivery *
take_first(struct lane *lane)
{
	struct delivery *delivery = lane->first;

	lane->first = delivery->next;
	if (lane->first == NULL)
		lane->last = NULL;
	delivery->next = NULL;
	lane->waiting--;
	return delivery;
}

struct delivery *
lane_next(struct lane *lane, int64_t now_ms, int64_t now_us)
{
	if (lane->running >= most_running(lane, now_ms))
		return NULL;
	while (lane->first != NULL) {
		struct delivery *delivery = take_first(lane);

		/* Another process may take it when its lease is over. */
		if (delivery->lease_until_us < now_us + ATTEMPT_US) {
			delivery_free(delivery);
			continue;
		}
		lane->running++;
		return delivery;
	}
	return NULL;
}

void
lane_done(struct lane *lane, bool delivered)
{
	lane->running--;
	if (delivered)
		lane->answered++;
}
