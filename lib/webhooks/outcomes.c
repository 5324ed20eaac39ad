/* outcomes.c: records answers, and how the endpoints are doing by them. */
#include "webhooks/outcomes.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "events/attempts.h"

static const int64_t wait_us = 50000;
/* A success is written down on the endpoint again after this time. */
static const int64_t success_ms = 10000;

/* The health of an endpoint does not depend on tests, on answers from an earlier URL, or on events that were not
 * sent. */
static bool
counts_as_health(const struct delivery *delivery)
{
	return !delivery->test && text_equal(delivery->url, delivery->lane->url);
}

void
outcomes_add(struct outcomes *outcomes, struct delivery *delivery,
             const struct post_answer *answer)
{
	struct outcome *outcome = calloc(1, sizeof(*outcome));

	/* Without memory the delivery is sent again when its lease is over. */
	if (outcome == NULL) {
		delivery_free(delivery);
		return;
	}
	outcome->delivery = delivery;
	outcome->answer = *answer;
	delivery->lane->unrecorded++;
	if (!webhook_is_delivered(answer) && counts_as_health(delivery) &&
	    !delivery->lane->failing_since.known)
		outcomes->begins_to_fail = true;
	if (outcomes->last == NULL)
		outcomes->first = outcome;
	else
		outcomes->last->next = outcome;
	outcomes->last = outcome;
	if (outcomes->count++ == 0)
		outcomes->since_us = clock_monotonic_us();
}

bool
outcomes_are_due(const struct outcomes *outcomes)
{
	return outcomes->count >= OUTCOMES_MAX / 2 || outcomes->begins_to_fail ||
	       (outcomes->count > 0 && clock_monotonic_us() >= outcomes->since_us + wait_us);
}

/* Whether the text is UTF-8, perhaps without a character at its end that was cut. */
static bool
cut_to_utf8(char *text, size_t length)
{
	for (size_t cut = 0; cut <= 3 && cut <= length; cut++) {
		if (cut > 0 && (unsigned char)text[length - cut] < 0x80)
			return false;
		if (text_is_utf8(text, length - cut)) {
			text[length - cut] = '\0';
			return true;
		}
	}
	return false;
}

/* The bytes of an answer as text for the database. */
static const char *
answer_text(struct arena *arena, const struct post_answer *answer)
{
	char *text;

	if (answer->length == 0)
		return NULL;
	text = arena_copy_bytes(arena, answer->body, answer->length);
	for (size_t i = 0; i < answer->length; i++)
		if (text[i] == '\0')
			text[i] = ' ';
	if (cut_to_utf8(text, answer->length))
		return text;
	for (size_t i = 0; i < answer->length; i++)
		if ((unsigned char)text[i] >= 0x80)
			text[i] = '?';
	return text;
}

static struct webhook_outcome
outcome_of(struct operation *operation, const struct outcome *outcome,
           const struct webhook_verdict *verdict)
{
	const struct delivery *delivery = outcome->delivery;
	int64_t made = delivery->attempts + 1, due_ms = 0;
	struct webhook_outcome out = {
	        .endpoint_id = delivery->lane->endpoint_id,
	        .row_id = delivery->row_id,
	        .url = verdict->delivered || delivery->test ? NULL : delivery->url,
	        .customer_id = delivery->customer_id,
	        .state = verdict->delivered ? "delivered" : "failed",
	        .attempted_at = INSTANT_MS(delivery->started_ms),
	        .status = outcome->answer.status,
	        .took_ms = outcome->answer.took_ms,
	        .reason = verdict->reason,
	        .answer = answer_text(operation->task->arena, &outcome->answer),
	};

	/* A test is sent once. */
	if (!verdict->delivered && !verdict->gone && !delivery->test &&
	    attempt_next(made, operation->now_ms, verdict->wait_s, &due_ms)) {
		out.state = "pending";
		out.due_at = INSTANT_MS(due_ms);
	}
	return out;
}

static void
add_health(struct operation *operation, struct webhook_health *health,
           const struct webhook_verdict *verdict)
{
	if (verdict->delivered) {
		health->succeeded = true;
		health->failed = false;
		return;
	}
	health->failed = true;
	health->gone = health->gone || verdict->gone;
	if (verdict->pause_s > 0)
		health->paused_until =
		        INSTANT_MS(operation->now_ms + verdict->pause_s * SECOND_MS);
}

/* Whether the row of the endpoint has to change. */
static bool
is_news(const struct operation *operation, const struct lane *lane,
        const struct webhook_health *health)
{
	return health->failed || lane->failing_since.known || !lane->last_success_at.known ||
	       lane->last_success_at.ms < operation->now_ms - success_ms;
}

/* The lane learns at once what the next look would tell. */
static void
tell_lane(const struct operation *operation, struct lane *lane,
          const struct webhook_health *health)
{
	if (health->succeeded)
		lane->last_success_at = INSTANT_MS(operation->now_ms);
	if (health->failed && (health->succeeded || !lane->failing_since.known))
		lane->failing_since = INSTANT_MS(operation->now_ms);
	else if (!health->failed)
		lane->failing_since = INSTANT_NONE;
	if (health->paused_until.known)
		lane->paused_until = health->paused_until;
	if (health->gone)
		lane->can_send = false;
}

static enum fail
write_health(struct operation *operation, struct lane *lane, struct webhook_health *health)
{
	if (!is_news(operation, lane, health))
		return FAIL_NONE;
	TRY(webhook_health_write(operation, health));
	tell_lane(operation, lane, health);
	return FAIL_NONE;
}

static void
drop_first(struct outcomes *outcomes, size_t count)
{
	for (; count > 0; count--) {
		struct outcome *outcome = outcomes->first;

		outcomes->first = outcome->next;
		outcome->delivery->lane->unrecorded--;
		delivery_free(outcome->delivery);
		free(outcome);
		outcomes->count--;
	}
	if (outcomes->first == NULL)
		outcomes->last = NULL;
	outcomes->since_us = clock_monotonic_us();
}

/* Outcomes that are recorded together. */
struct batch {
	struct webhook_outcome rows[OUTCOMES_MAX];
	size_t count;
	struct webhook_health health[OUTCOMES_MAX];
	struct lane *lanes[OUTCOMES_MAX]; /* of the health beside it */
	size_t endpoints;
	struct webhook_counts counts;
};

static void
count(struct webhook_counts *counts, const struct delivery *delivery,
      const struct webhook_verdict *verdict, const struct webhook_outcome *row)
{
	/* Without a body there was no attempt. */
	if (delivery->body != NULL)
		counts->attempts[verdict->result]++;
	if (!delivery->test && text_equal(row->state, "failed"))
		counts->failed++;
}

static void
add_counts(struct webhook_counts *sum, const struct webhook_counts *counts)
{
	for (size_t i = 0; i < WEBHOOK_RESULTS; i++)
		sum->attempts[i] += counts->attempts[i];
	sum->failed += counts->failed;
}

/* The health of the lane's endpoint. They are in the order of their ids, so that two processes do not wait
 * for each other's endpoints. */
static struct webhook_health *
health_of(struct batch *batch, struct lane *lane)
{
	size_t place = 0;

	while (place < batch->endpoints &&
	       strcmp(batch->health[place].endpoint_id, lane->endpoint_id) < 0)
		place++;
	if (place < batch->endpoints && batch->lanes[place] == lane)
		return &batch->health[place];
	for (size_t i = batch->endpoints; i > place; i--) {
		batch->health[i] = batch->health[i - 1];
		batch->lanes[i] = batch->lanes[i - 1];
	}
	batch->health[place] =
	        (struct webhook_health){.endpoint_id = lane->endpoint_id, .url = lane->url};
	batch->lanes[place] = lane;
	batch->endpoints++;
	return &batch->health[place];
}

static void
gather(const struct outcomes *outcomes, struct operation *operation, struct batch *batch)
{
	for (const struct outcome *o = outcomes->first;
	     o != NULL && batch->count < OUTCOMES_MAX; o = o->next) {
		struct webhook_verdict verdict =
		        webhook_verdict_of(operation->task->arena, &o->answer);

		batch->rows[batch->count] = outcome_of(operation, o, &verdict);
		count(&batch->counts, o->delivery, &verdict, &batch->rows[batch->count++]);
		if (counts_as_health(o->delivery))
			add_health(operation, health_of(batch, o->delivery->lane), &verdict);
	}
}

/* Records the outcomes; if the health of an endpoint changes, in one transaction with that. */
static enum fail
write_batch(struct operation *operation, struct batch *batch)
{
	bool changes = false;

	for (size_t i = 0; i < batch->endpoints; i++)
		changes = changes || is_news(operation, batch->lanes[i], &batch->health[i]);
	if (!changes)
		return webhook_record(operation, batch->rows, batch->count);
	TRY(db_begin(operation->db, operation->task));
	TRY(webhook_record(operation, batch->rows, batch->count));
	for (size_t i = 0; i < batch->endpoints; i++)
		TRY(write_health(operation, batch->lanes[i], &batch->health[i]));
	return db_commit(operation->db, operation->task);
}

enum fail
outcomes_write(struct outcomes *outcomes, struct operation *operation)
{
	while (outcomes->count > 0) {
		struct batch *batch = arena_alloc(operation->task->arena, sizeof(*batch));

		gather(outcomes, operation, batch);
		TRY(write_batch(operation, batch));
		add_counts(&outcomes->counts, &batch->counts);
		drop_first(outcomes, batch->count);
	}
	outcomes->begins_to_fail = false;
	return FAIL_NONE;
}

void
outcomes_clear(struct outcomes *outcomes)
{
	drop_first(outcomes, outcomes->count);
}
