/*
 * sender.c: sends deliveries to many endpoints at a time.
 *
 * One step of the job lets the requests go on for a moment, and starts what the endpoints may get. No request
 * goes on while a statement runs, so statements are few: answers are recorded many at a time, the endpoints are
 * looked at ten times a second while there is something to send, and rows are taken ahead.
 */
#include "webhooks/sender.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/text.h"
#include "base/version.h"
#include "events/attempts.h"
#include "net/posts.h"
#include "webhooks/body.h"
#include "webhooks/guard.h"
#include "webhooks/known_keys.h"
#include "webhooks/lane.h"
#include "webhooks/outcomes.h"

static const int64_t look_us = 100000;  /* between two looks while there is something to send */
static const int64_t keys_us = 5000000; /* between two looks at the keys */
static const int64_t keys_again_us = 500000; /* the same, while this host lacks one */
static const int64_t end_us = 2000000;   /* for the answers of what is on its way at the end */
static const int64_t timeout_ms = 15000; /* of an attempt */
static const int64_t connect_ms = 5000;

enum { IDLE_CONNECTIONS = 128, WAIT_MS = 50, WAIT_SHORT_MS = 5 };

/* At most TAKE_MAX deliveries are taken in one step, as their bodies of up to 20 KB are in memory twice. */
enum { TAKE_MAX = 1000 };

struct webhook_sender {
	struct webhook_sender_options options;
	struct webhook_guard guard;
	struct posts *posts;
	struct webhook_keys keys;
	struct instant key_added_at; /* the current key's */
	int64_t keys_opened_us;
	char missing_key
	        [64]; /* the last one that secrets are sealed under and this host lacked */
	int64_t look_due_us;
	struct lanes lanes;
	struct outcomes outcomes;
	size_t running;
	bool has_more_events; /* an endpoint can be fed again at once */
};

struct webhook_sender *
webhook_sender_new(const struct webhook_sender_options *options)
{
	struct webhook_sender *sender = calloc(1, sizeof(*sender));
	struct posts_options posts = {
	        .user_agent = "Global-Billing/" VERSION,
	        .ca_file = options->ca_file,
	        .connect_timeout_ms = connect_ms,
	        .timeout_ms = timeout_ms,
	        .idle_max = IDLE_CONNECTIONS,
	        .admits = webhook_guard_admits,
	};

	if (sender == NULL)
		return NULL;
	sender->options = *options;
	sender->guard.allowed = options->allowed;
	posts.context = &sender->guard;
	sender->posts = posts_new(&posts);
	if (sender->posts == NULL) {
		free(sender);
		return NULL;
	}
	return sender;
}

bool
webhook_sender_has_key(const struct webhook_sender *sender)
{
	return sender->keys.current.pair != NULL;
}

struct webhook_counts
webhook_sender_take_counts(struct webhook_sender *sender)
{
	struct webhook_counts counts = sender->outcomes.counts;

	sender->outcomes.counts = (struct webhook_counts){0};
	return counts;
}

static bool
keys_are_due(const struct webhook_sender *sender)
{
	int64_t since_us = clock_monotonic_us() - sender->keys_opened_us;

	return sender->keys_opened_us == 0 ||
	       since_us >= (webhook_sender_has_key(sender) ? keys_us : keys_again_us);
}

/* Loads the keys again from time to time, as they may have been changed. Without them nothing is sent: other
 * hosts may have them. */
static enum fail
open_keys(struct webhook_sender *sender, struct operation *operation)
{
	const struct webhook_known_key *known;
	struct task task = task_attempt(operation->task);
	struct operation attempt = *operation;
	struct webhook_keys keys;
	size_t count;

	if (!keys_are_due(sender))
		return FAIL_NONE;
	sender->keys_opened_us = clock_monotonic_us();
	attempt.task = &task;
	if (webhook_keys_open(&attempt, sender->options.keys_dir, &keys) != FAIL_NONE) {
		webhook_keys_release(&sender->keys);
		if (task.failure.kind == FAIL_CONFLICT)
			return FAIL_NONE;
		return task_fail(operation->task, task.failure.kind, task.failure.code, "%s",
		                 task.failure.message);
	}
	webhook_keys_release(&sender->keys);
	sender->keys = keys;
	TRY(webhook_known_keys(operation, &known, &count));
	sender->key_added_at = count > 0 ? known[0].added_at : INSTANT_NONE;
	return FAIL_NONE;
}

/* Feeds the lanes that have news. */
static enum fail
feed(struct webhook_sender *sender, struct operation *operation)
{
	for (size_t i = 0; i < LANES_MAX; i++) {
		struct lane *lane = &sender->lanes.items[i];
		int64_t events = 0;
		bool more;

		if (!lane->can_send || !lane->has_new_events)
			continue;
		TRY(webhook_feed(operation, lane->endpoint_id, &events, &more));
		lane->may_be_due = lane->may_be_due || events > 0;
		sender->has_more_events = sender->has_more_events || more;
	}
	return FAIL_NONE;
}

/* A change of the key seals all secrets under the new one: it is loaded before the secrets are opened. */
static enum fail
open_keys_of(struct webhook_sender *sender, struct operation *operation,
             const struct webhook_sendable *endpoints, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *key = endpoints[i].seal_key;

		if (webhook_keys_find(&sender->keys, key) != NULL ||
		    strcmp(key, sender->missing_key) == 0)
			continue;
		(void)snprintf(sender->missing_key, sizeof(sender->missing_key), "%s", key);
		sender->keys_opened_us = 0;
		return open_keys(sender, operation);
	}
	return FAIL_NONE;
}

/* Whether requests run, or can be started without a look. */
static bool
is_busy(const struct webhook_sender *sender, const struct operation *operation)
{
	return sender->running > 0 || (webhook_sender_has_key(sender) &&
	                               lanes_can_send(&sender->lanes, operation->now_ms));
}

static enum fail
look(struct webhook_sender *sender, struct operation *operation)
{
	const struct webhook_sendable *endpoints;
	size_t count;

	if (is_busy(sender, operation) && !sender->has_more_events &&
	    clock_monotonic_us() < sender->look_due_us)
		return FAIL_NONE;
	sender->has_more_events = false;
	sender->look_due_us = clock_monotonic_us() + look_us;
	TRY(webhook_sendable_endpoints(operation, &endpoints, &count));
	TRY(open_keys_of(sender, operation, endpoints, count));
	lanes_follow(&sender->lanes, operation->task->arena, &sender->keys, endpoints, count);
	return feed(sender, operation);
}

/* Gives each lane what was taken for it. */
static void
spread(struct webhook_sender *sender, struct operation *operation,
       const struct webhook_taken *taken, size_t count, int64_t lease_us)
{
	for (size_t i = 0; i < count; i++) {
		struct lane *lane = lanes_find(&sender->lanes, taken[i].endpoint_id);

		if (lane != NULL)
			lane_add(lane, &taken[i],
			         webhook_body(operation->task->arena, &taken[i]), lease_us);
	}
}

static enum fail
take(struct webhook_sender *sender, struct operation *operation)
{
	struct webhook_want wants[LANES_MAX];
	const struct webhook_taken *taken;
	size_t want_count = lanes_ask(&sender->lanes, operation->now_ms, TAKE_MAX, wants),
	       count;
	int64_t lease_us = (int64_t)WEBHOOK_LEASE_S * 1000000 + clock_monotonic_us();

	if (want_count == 0)
		return FAIL_NONE;
	TRY(webhook_take(operation, wants, want_count, &taken, &count));
	spread(sender, operation, taken, count, lease_us);
	/* As many as were asked for: there may be more. */
	for (size_t i = 0; i < LANES_MAX; i++)
		if (sender->lanes.items[i].may_be_due)
			sender->lanes.items[i].may_be_due =
			        sender->lanes.items[i].rows_requested == 0;
	return FAIL_NONE;
}

/* The old and the new key sign for a day after a change. */
static struct webhook_signers
signers_of(const struct webhook_sender *sender, const struct lane *lane, int64_t now_ms)
{
	struct webhook_signers signers = {.keys = {&sender->keys.current, &sender->keys.old},
	                                  .key_count = 1,
	                                  .secret_count = lane->secret_count};

	for (size_t i = 0; i < lane->secret_count; i++)
		signers.secrets[i] = (struct bytes){lane->secrets[i], WEBHOOK_SECRET_SIZE};
	if (sender->keys.old.pair != NULL && sender->key_added_at.known &&
	    sender->key_added_at.ms > now_ms - WEBHOOK_OVERLAP_MS)
		signers.key_count = 2;
	return signers;
}

static bool
start(struct webhook_sender *sender, struct operation *operation, struct delivery *delivery)
{
	struct arena *arena = operation->task->arena;
	const struct lane *lane = delivery->lane;
	struct webhook_signers signers = signers_of(sender, lane, operation->now_ms);
	const char *headers[WEBHOOK_HEADERS];

	delivery->started_ms = operation->now_ms;
	delivery->url = strdup(lane->url);
	if (delivery->url == NULL)
		return false;
	webhook_headers(arena, &signers, delivery->event_id, operation->now_ms, delivery->body,
	                headers);
	return posts_start(sender->posts, &(struct post){.url = delivery->url,
	                                                 .https = lane->https,
	                                                 .headers = headers,
	                                                 .header_count = WEBHOOK_HEADERS,
	                                                 .body = delivery->body,
	                                                 .length = strlen(delivery->body),
	                                                 .about = delivery});
}

/* Ends a delivery whose event is no longer kept. */
static void
end_without_event(struct webhook_sender *sender, struct delivery *delivery, int64_t now_ms)
{
	static const char gone[] = "the event is kept no more";
	struct post_answer answer = {.about = delivery};

	delivery->started_ms = now_ms;
	memcpy(answer.reason, gone, sizeof(gone));
	delivery->attempts = ATTEMPTS_MAX;
	outcomes_add(&sender->outcomes, delivery, &answer);
	lane_done(delivery->lane, false);
}

static void
start_lane(struct webhook_sender *sender, struct operation *operation, struct lane *lane)
{
	int64_t now_us = clock_monotonic_us();
	struct delivery *delivery;

	while ((delivery = lane_next(lane, operation->now_ms, now_us)) != NULL) {
		if (delivery->body == NULL) {
			end_without_event(sender, delivery, operation->now_ms);
		} else if (start(sender, operation, delivery)) {
			sender->running++;
		} else {
			lane_done(lane, false);
			delivery_free(delivery);
		}
	}
}

/* Lets the requests go on, and gathers what is over. */
static void
run(struct webhook_sender *sender)
{
	struct post_answer answer;

	if (sender->running == 0)
		return;
	posts_run(sender->posts, sender->outcomes.count > 0 ? WAIT_SHORT_MS : WAIT_MS);
	while (posts_next(sender->posts, &answer)) {
		struct delivery *delivery = answer.about;

		sender->running--;
		lane_done(delivery->lane, webhook_is_delivered(&answer));
		outcomes_add(&sender->outcomes, delivery, &answer);
	}
}

static enum fail
record(struct webhook_sender *sender, struct operation *operation)
{
	if (!outcomes_are_due(&sender->outcomes) && is_busy(sender, operation))
		return FAIL_NONE;
	return outcomes_write(&sender->outcomes, operation);
}

enum fail
webhook_send_run(struct operation *operation, int64_t *done)
{
	struct webhook_sender *sender = operation->webhooks;

	*done = 0;
	run(sender);
	TRY(record(sender, operation));
	TRY(open_keys(sender, operation));
	if (webhook_sender_has_key(sender))
		TRY(look(sender, operation));
	if (webhook_sender_has_key(sender)) {
		TRY(take(sender, operation));
		for (size_t i = 0; i < LANES_MAX; i++)
			start_lane(sender, operation, &sender->lanes.items[i]);
	} else {
		sender->has_more_events = false;
	}
	*done = (int64_t)(sender->running + sender->outcomes.count) + sender->has_more_events;
	return FAIL_NONE;
}

/* Until its lease is over, no other process takes a row that is not given back. */
static void
give_back(const struct webhook_sender *sender, struct operation *operation)
{
	struct task task = task_attempt(operation->task);
	struct operation attempt = *operation;
	int64_t now_us = clock_monotonic_us();

	attempt.task = &task;
	for (size_t i = 0; i < LANES_MAX && task.failure.kind == FAIL_NONE; i++) {
		const struct lane *lane = &sender->lanes.items[i];
		struct string_list rows = lane_unsent(lane, task.arena, now_us);

		if (rows.count > 0 &&
		    webhook_give_back(&attempt, lane->endpoint_id, &rows) != FAIL_NONE)
			log_line(LOG_LEVEL_WARNING,
			         "webhooks that were not sent wait for their lease",
			         LOG_S("code", task.failure.code));
	}
}

void
webhook_sender_end(struct webhook_sender *sender, struct operation *operation)
{
	int64_t until_us;
	struct delivery *delivery;

	if (sender == NULL)
		return;
	give_back(sender, operation);
	lanes_clear(&sender->lanes);
	until_us = clock_monotonic_us() + end_us;
	while (sender->running > 0 && clock_monotonic_us() < until_us)
		run(sender);
	while ((delivery = posts_end_one(sender->posts)) != NULL)
		delivery_free(delivery);
	if (outcomes_write(&sender->outcomes, operation) != FAIL_NONE)
		log_line(LOG_LEVEL_WARNING, "the last answers of webhooks are not recorded",
		         LOG_S("code", operation->task->failure.code));
	outcomes_clear(&sender->outcomes);
	posts_free(sender->posts);
	webhook_keys_release(&sender->keys);
	free(sender);
}
