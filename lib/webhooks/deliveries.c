/* deliveries.c: lists what an endpoint was sent, and has things sent to it again. */
#include "webhooks/deliveries.h"

#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "billing/audit.h"
#include "events/reader.h"
#include "webhooks/endpoints.h"

static const struct column columns[] =
        COLUMNS(struct webhook_delivery, event_id, row_id, type, state, attempts, event_at,
                created_at, due_at, attempted_at, status, took_ms, reason, answer);

#define ROW ROWS_OF(struct webhook_delivery, columns)
#define COLUMNS_OF_DELIVERY                                                                    \
	"'evt_' || replace(event_id::text, '-', '') AS event_id, event_id::text AS row_id, "   \
	"type, state, attempts, event_at, created_at, "                                        \
	"CASE WHEN state = 'pending' THEN due_at END AS due_at, attempted_at, status, "        \
	"took_ms, reason, answer "

#define OF_ENDPOINT                                                                            \
	"SELECT " COLUMNS_OF_DELIVERY "FROM webhook_deliveries WHERE endpoint_id = $1 "        \
	"AND (created_at, event_id) < (COALESCE($2::timestamptz, 'infinity'), "                \
	"COALESCE($3, 'ffffffff-ffff-ffff-ffff-ffffffffffff')::uuid) "
#define NEWEST_FIRST "ORDER BY created_at DESC, event_id DESC LIMIT $4::bigint"

/* The deliveries that a replay has stored. */
struct replayed {
	int64_t read;
	int64_t events;    /* of these, that the endpoint gets */
	struct instant at; /* the place of the last one */
	int64_t number;
};

struct waiting {
	int64_t count;
};

extern const char webhooks_replay_sql[]; /* replay.sql */

enum { LIST, LIST_IN, TEST, REPLAY, WAITING, FORGET };

static const struct statement statements[] = {
        [LIST] = {"webhook_delivery_list", ROW, .sql = OF_ENDPOINT NEWEST_FIRST},
        [LIST_IN] = {"webhook_delivery_list_in", ROW,
                     .sql = OF_ENDPOINT "AND state = $5 " NEWEST_FIRST},
        [TEST] = {"webhook_test", ROW,
                  .sql = "INSERT INTO webhook_deliveries (endpoint_id, event_id, type, "
                         "event_at, state, due_at, created_at) SELECT $1, "
                         "gen_random_uuid(), $2, $3::timestamptz, 'pending', "
                         "$3::timestamptz, $3::timestamptz WHERE NOT EXISTS (SELECT FROM "
                         "webhook_deliveries WHERE endpoint_id = $1 AND state = 'pending' "
                         "AND position IS NULL) RETURNING " COLUMNS_OF_DELIVERY},
        [REPLAY] = {"webhook_replay", ROWS_WITH(struct replayed, read, events, at, number),
                    .sql = webhooks_replay_sql},
        [WAITING] = {"webhook_waiting", ROWS_WITH(struct waiting, count),
                     .sql = "SELECT count(*) AS count FROM (SELECT FROM webhook_deliveries "
                            "WHERE endpoint_id = $1 AND state = 'pending' "
                            "LIMIT 10001) AS p"},
        /* Locked in the order of record.sql. */
        [FORGET] = {"webhook_answers_forget",
                    .sql = "WITH locked AS MATERIALIZED (SELECT l.endpoint_id, l.event_id "
                           "FROM (SELECT w.endpoint_id, v.event_id FROM ("
                           "    SELECT event_id FROM events WHERE customer_id = $1 "
                           "    AND (position, number) > ($2::bigint, $3::bigint) "
                           "    AND (position, number) <= ($4::bigint, $5::bigint)) v "
                           "  CROSS JOIN webhook_endpoints w ORDER BY 1, 2) e "
                           "CROSS JOIN LATERAL (SELECT d.endpoint_id, d.event_id "
                           "  FROM webhook_deliveries d WHERE d.endpoint_id = e.endpoint_id "
                           "  AND d.event_id = e.event_id AND d.answer IS NOT NULL "
                           "  FOR UPDATE) l) "
                           "UPDATE webhook_deliveries d SET answer = NULL FROM locked l "
                           "WHERE d.endpoint_id = l.endpoint_id "
                           "AND d.event_id = l.event_id"},
};

const struct statement_list webhook_delivery_statements = STATEMENT_LIST(statements);

const char *
webhook_check_state(const char *state)
{
	return strcmp(state, "pending") == 0 || strcmp(state, "delivered") == 0 ||
	                       strcmp(state, "failed") == 0
	               ? NULL
	               : "must be pending, delivered or failed";
}

enum fail
webhook_delivery_list(struct operation *operation, const char *endpoint_id, const char *state,
                      struct page *page, const struct webhook_delivery **out, size_t *count)
{
	struct task *task = operation->task;
	const char *at = param_time(task, page->at), *limit = page_limit(task, page);
	struct webhook_endpoint endpoint;

	TRY(webhook_endpoint_find(operation, endpoint_id, &endpoint));
	if (state == NULL)
		TRY(db_rows(operation->db, task, &statements[LIST],
		            PARAMETERS(endpoint_id, at, page->id, limit), (void *)out, count));
	else
		TRY(db_rows(operation->db, task, &statements[LIST_IN],
		            PARAMETERS(endpoint_id, at, page->id, limit, state), (void *)out,
		            count));
	if (page_has_next(page, count))
		page->next = page_cursor(task, (*out)[*count - 1].created_at,
		                         (*out)[*count - 1].row_id);
	return FAIL_NONE;
}

/* The endpoint, if it gets anything. */
static enum fail
require_enabled(struct operation *operation, const char *endpoint_id)
{
	struct webhook_endpoint endpoint;

	TRY(webhook_endpoint_find(operation, endpoint_id, &endpoint));
	if (text_equal(endpoint.state, "enabled"))
		return FAIL_NONE;
	return task_fail(operation->task, FAIL_CONFLICT, "endpoint_disabled",
	                 "The webhook endpoint is disabled; enable it first.");
}

enum fail
webhook_test(struct operation *operation, const char *endpoint_id, struct webhook_delivery *out)
{
	struct task *task = operation->task;
	bool found;

	TRY(require_enabled(operation, endpoint_id));
	TRY(db_begin(operation->db, task));
	TRY(db_row(operation->db, task, &statements[TEST],
	           PARAMETERS(endpoint_id, WEBHOOK_TEST_TYPE, param_now(operation)), out,
	           &found));
	if (!found)
		return task_fail(
		        task, FAIL_CONFLICT, "test_pending",
		        "Another test of this webhook endpoint has not been sent yet.");
	TRY(audit_record(operation, "webhook_test", NULL, endpoint_id, out->event_id));
	return db_commit(operation->db, task);
}

static enum fail
check_room(struct operation *operation, const char *endpoint_id)
{
	struct waiting waiting = {0};
	bool found;

	TRY(db_row(operation->db, operation->task, &statements[WAITING],
	           PARAMETERS(endpoint_id), &waiting, &found));
	if (waiting.count <= WEBHOOK_REPLAY_PENDING_MAX)
		return FAIL_NONE;
	return task_fail(operation->task, FAIL_CONFLICT, "too_many_pending",
	                 "More than %d deliveries of this webhook endpoint wait; try again "
	                 "when it has received them.",
	                 WEBHOOK_REPLAY_PENDING_MAX);
}

/* Runs the statement of a replay and audits it; `detail` says what was asked for. */
static enum fail
replay(struct operation *operation, const char *endpoint_id, struct parameters parameters,
       const char *detail, struct replayed *out)
{
	bool found;

	TRY(require_enabled(operation, endpoint_id));
	TRY(check_room(operation, endpoint_id));
	TRY(db_begin(operation->db, operation->task));
	TRY(db_row(operation->db, operation->task, &statements[REPLAY], parameters, out,
	           &found));
	TRY(audit_record(operation, "webhook_replay", NULL, endpoint_id, detail));
	return db_commit(operation->db, operation->task);
}

enum fail
webhook_replay_event(struct operation *operation, const char *endpoint_id, const char *event_id,
                     int64_t *count)
{
	struct replayed out = {0};
	struct event event;

	TRY(event_find(operation, event_id, &event));
	/* The digits behind "evt_" are those of the uuid. */
	TRY(replay(operation, endpoint_id,
	           PARAMETERS(endpoint_id, event.event_id + 4, NULL, NULL, NULL, NULL,
	                      param_now(operation)),
	           event.event_id, &out));
	*count = out.events;
	return FAIL_NONE;
}

/* The place that a cursor names: the beginning without one. */
static enum fail
read_place(struct task *task, const char *cursor, const char **at, const char **number)
{
	struct page page;
	int64_t value = 0;

	TRY(page_read(task, WEBHOOK_REPLAY_MAX, cursor, &page));
	if (page.id != NULL && !text_parse_int(page.id, &value))
		return page_fail(task);
	*at = param_time(task, page.at);
	*number = param_int(task, value);
	return FAIL_NONE;
}

enum fail
webhook_replay_range(struct operation *operation, const char *endpoint_id, struct instant from,
                     struct instant to, const char *cursor, int64_t *count, const char **next)
{
	struct task *task = operation->task;
	const char *at = NULL, *number = NULL;
	struct replayed out = {0};

	TRY(read_place(task, cursor, &at, &number));
	TRY(replay(operation, endpoint_id,
	           PARAMETERS(endpoint_id, NULL, param_time(task, from), param_time(task, to),
	                      at, number, param_now(operation)),
	           arena_printf(task->arena, "%s to %s", param_time(task, from),
	                        param_time(task, to)),
	           &out));
	*count = out.events;
	*next = out.read < WEBHOOK_REPLAY_MAX
	                ? NULL
	                : page_cursor(task, out.at, param_int(task, out.number));
	return FAIL_NONE;
}

enum fail
webhook_answers_forget(struct operation *operation, const char *customer_id,
                       const struct event_span *span)
{
	struct task *task = operation->task;

	return db_run(operation->db, task, &statements[FORGET],
	              PARAMETERS(customer_id, param_int(task, span->after.position),
	                         param_int(task, span->after.number),
	                         param_int(task, span->until.position),
	                         param_int(task, span->until.number)),
	              NULL);
}

void
webhook_delivery_render(struct json_out *json, const char *name,
                        const struct webhook_delivery *delivery)
{
	json_out_open(json, name, '{');
	json_out_string(json, "event_id", delivery->event_id);
	json_out_string(json, "type", delivery->type);
	json_out_string(json, "state", delivery->state);
	json_out_int(json, "attempts", delivery->attempts);
	json_out_time(json, "event_at", delivery->event_at);
	json_out_time(json, "created_at", delivery->created_at);
	json_out_time(json, "due_at", delivery->due_at);
	json_out_time(json, "attempted_at", delivery->attempted_at);
	if (delivery->status == 0)
		json_out_null(json, "status");
	else
		json_out_int(json, "status", delivery->status);
	json_out_int(json, "took_ms", delivery->took_ms);
	json_out_string(json, "reason", delivery->reason);
	json_out_string(json, "answer", delivery->answer);
	json_out_close(json, '}');
}
