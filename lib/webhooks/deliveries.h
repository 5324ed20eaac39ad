/* deliveries.h: what an endpoint was sent and is to be sent: the list, tests, and replays. */
#pragma once

#include "db/page.h"
#include "events/log.h"
#include "operation/operation.h"
#include "json/out.h"

extern const struct statement_list webhook_delivery_statements;

/* Events that one replay of a range sends again at most, and how many deliveries may wait already. */
enum { WEBHOOK_REPLAY_MAX = 1000, WEBHOOK_REPLAY_PENDING_MAX = 10000 };

#define WEBHOOK_TEST_TYPE "endpoint.test"

struct webhook_delivery {
	const char *event_id; /* "evt_...", which is also the webhook-id */
	const char *row_id;
	const char *type;
	const char *state; /* "pending", "delivered", "failed" */
	int64_t attempts;
	struct instant event_at;
	struct instant created_at;
	struct instant due_at; /* of the next attempt; none: there is none */
	struct instant attempted_at;
	int64_t status; /* of the last attempt; 0: no answer */
	int64_t took_ms;
	const char *reason; /* why it failed */
	const char *answer; /* the first bytes */
};

/* For an input's field: NULL when it is a state, else why not. */
const char *webhook_check_state(const char *state);

/* A page of an endpoint's deliveries, the newest first; `state` may be NULL. */
enum fail webhook_delivery_list(struct operation *operation, const char *endpoint_id,
                                const char *state, struct page *page,
                                const struct webhook_delivery **out, size_t *count) MUST_CHECK;

/* Has a test sent, once. FAIL_CONFLICT "endpoint_disabled"; FAIL_CONFLICT "test_pending" while another one
 * waits. */
enum fail webhook_test(struct operation *operation, const char *endpoint_id,
                       struct webhook_delivery *out) MUST_CHECK;

/* Has an event sent again, under its id, whether it was sent before or not. FAIL_NOT_FOUND
 * "event_not_found". */
enum fail webhook_replay_event(struct operation *operation, const char *endpoint_id,
                               const char *event_id, int64_t *replayed) MUST_CHECK;

/* Has the events of a range of time sent again, whose types the endpoint gets. It reads WEBHOOK_REPLAY_MAX at
 * most, the oldest first. `*next`: where the rest of the range begins, or none. FAIL_CONFLICT "too_many_pending"
 * while too many deliveries wait. */
enum fail webhook_replay_range(struct operation *operation, const char *endpoint_id,
                               struct instant from, struct instant to, const char *cursor,
                               int64_t *replayed, const char **next) MUST_CHECK;

/* Erases what receivers answered to these events of a customer that is deleted: it may repeat them. */
enum fail webhook_answers_forget(struct operation *operation, const char *customer_id,
                                 const struct event_span *span) MUST_CHECK;

void webhook_delivery_render(struct json_out *json, const char *name,
                             const struct webhook_delivery *delivery);
