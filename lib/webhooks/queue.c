/* queue.c: takes what endpoints are to get from the log of events, and records the outcomes. */
#include "webhooks/queue.h"

#include "base/arena.h"
#include "base/text.h"
#include "billing/audit.h"
#include "events/log.h"
#include "webhooks/endpoints.h"
#include "json/out.h"

enum { KEEP_DAYS = 30 };

/* Events of the log that one step reads (feed.sql has the number), and customers with a backlog that it looks
 * at. */
enum { EVENTS_AT_ONCE = 500, BACKLOGS_AT_ONCE = 20 };

struct fed {
	int64_t events;
};

struct judged {
	bool ends;
	bool recovered;
};

extern const char webhooks_feed_sql[], webhooks_backlog_sql[], webhooks_take_sql[],
        webhooks_record_sql[], webhooks_health_sql[]; /* the .sql files of this folder */

enum {
	SENDABLE,
	FEED,
	FEED_BACKLOGS,
	TAKE,
	GIVE_BACK,
	RECORD,
	HEALTH,
	RECOVER,
	DISABLE,
	PRUNE,
	PRUNE_DELETED,
	DROP,
	FIGURES
};

/* The statements that no standby has to confirm lose nothing when they are lost: events are copied, taken
 * and sent again. */
static const struct statement statements[] = {
        [SENDABLE] = {"webhook_sendable_endpoints",
                      ROWS_WITH(struct webhook_sendable, endpoint_id, url, secret, old_secret,
                                seal_key, failing_since, paused_until, last_success_at, due,
                                has_new_events),
                      .sql = "SELECT endpoint_id, url, secret, CASE WHEN old_secret_until > "
                             "$1::timestamptz THEN old_secret END AS old_secret, seal_key, "
                             "failing_since, paused_until, last_success_at, "
                             "EXISTS (SELECT FROM webhook_deliveries d "
                             "  WHERE d.endpoint_id = e.endpoint_id AND d.state = 'pending' "
                             "  AND d.due_at <= $1::timestamptz) AS due, "
                             "EXISTS (SELECT FROM events v "
                             "  WHERE (v.position, v.number) > (e.position, e.number) "
                             "  AND v.position < (SELECT event_horizon())) "
                             "OR EXISTS (SELECT FROM webhook_backlogs b "
                             "  WHERE b.endpoint_id = e.endpoint_id) AS has_new_events "
                             "FROM webhook_endpoints e WHERE state = 'enabled' LIMIT 100"},
        [FEED] = {"webhook_feed", ROWS_WITH(struct fed, events), .sql = webhooks_feed_sql,
                  .unconfirmed = true},
        [FEED_BACKLOGS] = {"webhook_feed_backlogs", ROWS_WITH(struct fed, events),
                           .sql = webhooks_backlog_sql, .unconfirmed = true},
        [TAKE] = {"webhook_take",
                  ROWS_WITH(struct webhook_taken, endpoint_id, row_id, event_id, type, attempts,
                            event_at, test, customer_id, sequence, data),
                  .sql = webhooks_take_sql, .unconfirmed = true},
        [GIVE_BACK] = {"webhook_give_back",
                       .sql = "UPDATE webhook_deliveries d SET due_at = $3::timestamptz FROM ("
                              "SELECT endpoint_id, event_id FROM webhook_deliveries "
                              "WHERE endpoint_id = $1 AND event_id = ANY ($2::text[]::uuid[]) "
                              "AND state = 'pending' AND due_at > $3::timestamptz "
                              "FOR UPDATE SKIP LOCKED) AS unsent "
                              "WHERE d.endpoint_id = unsent.endpoint_id "
                              "AND d.event_id = unsent.event_id",
                       .unconfirmed = true},
        [RECORD] = {"webhook_record", .sql = webhooks_record_sql, .unconfirmed = true},
        [HEALTH] = {"webhook_health", ROWS_WITH(struct judged, ends, recovered),
                    .sql = webhooks_health_sql},
        /* The attempt that follows does not count, so that a delivery which fails for another reason
         * keeps its schedule. */
        [RECOVER] = {"webhook_recover",
                     .sql = "UPDATE webhook_deliveries SET due_at = $2::timestamptz, "
                            "attempts = greatest(attempts - 1, 0) "
                            "WHERE endpoint_id = $1 AND state = 'pending' AND attempts > 0 "
                            "AND due_at > $2::timestamptz + interval '30 seconds'"},
        [DISABLE] = {"webhook_disable",
                     .sql = "UPDATE webhook_endpoints SET state = 'disabled', "
                            "disabled_reason = $2, disabled_at = $3::timestamptz, "
                            "updated_at = $3::timestamptz "
                            "WHERE endpoint_id = $1 AND state = 'enabled'"},
        [PRUNE] = {"webhook_prune",
                   .sql = "DELETE FROM webhook_deliveries d USING (SELECT endpoint_id, "
                          "event_id FROM webhook_deliveries WHERE state <> 'pending' "
                          "AND created_at <= $1::timestamptz ORDER BY created_at "
                          "LIMIT $2::bigint FOR UPDATE SKIP LOCKED) AS old "
                          "WHERE d.endpoint_id = old.endpoint_id "
                          "AND d.event_id = old.event_id"},
        [PRUNE_DELETED] =
                {"webhook_prune_deleted",
                 .sql = "DELETE FROM webhook_deliveries d USING (SELECT d.endpoint_id, "
                        "d.event_id FROM webhook_endpoints e JOIN webhook_deliveries d "
                        "USING (endpoint_id) WHERE e.state = 'deleted' LIMIT $1::bigint "
                        "FOR UPDATE OF d SKIP LOCKED) AS old "
                        "WHERE d.endpoint_id = old.endpoint_id "
                        "AND d.event_id = old.event_id"},
        [DROP] = {"webhook_endpoints_drop",
                  .sql = "DELETE FROM webhook_endpoints e WHERE state = 'deleted' "
                         "AND NOT EXISTS (SELECT FROM webhook_deliveries d "
                         "WHERE d.endpoint_id = e.endpoint_id)"},
        [FIGURES] =
                {"webhook_figures",
                 ROWS_WITH(struct webhook_figures, enabled, failing, disabled, pending,
                           waiting_since, failing_one, disabled_one),
                 .sql = "SELECT count(*) FILTER (WHERE state = 'enabled') AS enabled, "
                        "count(*) FILTER (WHERE fails) AS failing, "
                        "count(*) FILTER (WHERE ended) AS disabled, "
                        "COALESCE(sum(pending), 0)::bigint AS pending, "
                        "min(least(delivery, event, backlog)) AS waiting_since, "
                        "min(endpoint_id) FILTER (WHERE fails) AS failing_one, "
                        "min(endpoint_id) FILTER (WHERE ended) AS disabled_one "
                        "FROM (SELECT endpoint_id, state, state = 'enabled' "
                        "  AND COALESCE(failing_since <= $1::timestamptz "
                        "    - interval '10 minutes', false) AS fails, "
                        "  COALESCE(disabled_reason IN ('gone', 'failing'), false) AS ended, "
                        "  d.pending, d.delivery, v.event, b.backlog FROM webhook_endpoints e "
                        "LEFT JOIN LATERAL (SELECT count(*) AS pending, min(event_at) AS "
                        "  delivery FROM (SELECT event_at FROM webhook_deliveries d "
                        "    WHERE d.endpoint_id = e.endpoint_id AND d.state = 'pending' "
                        "    LIMIT 1000) AS p) AS d ON e.state = 'enabled' "
                        "LEFT JOIN LATERAL (SELECT created_at AS event FROM events v "
                        "  WHERE (v.position, v.number) > (e.position, e.number) "
                        "  AND v.position < (SELECT event_horizon()) "
                        "  ORDER BY v.position, v.number LIMIT 1) AS v "
                        "  ON e.state = 'enabled' "
                        "LEFT JOIN LATERAL (SELECT min(v.created_at) AS backlog "
                        "  FROM (SELECT customer_id, position, number "
                        "    FROM webhook_backlogs b WHERE b.endpoint_id = e.endpoint_id "
                        "    ORDER BY position, number LIMIT 20) AS b "
                        "  CROSS JOIN LATERAL (SELECT created_at FROM events v "
                        "    WHERE v.customer_id = b.customer_id "
                        "    AND (v.position, v.number) > (b.position, b.number) "
                        "    ORDER BY v.position, v.number LIMIT 1) AS v) AS b "
                        "  ON e.state = 'enabled') AS endpoints"},
};

const struct statement_list webhook_queue_statements = STATEMENT_LIST(statements);

enum fail
webhook_sendable_endpoints(struct operation *operation, const struct webhook_sendable **out,
                           size_t *count)
{
	return db_rows(operation->db, operation->task, &statements[SENDABLE],
	               PARAMETERS(param_now(operation)), (void *)out, count);
}

enum fail
webhook_feed(struct operation *operation, const char *endpoint_id, int64_t *events, bool *more)
{
	struct task *task = operation->task;
	struct fed fed = {0}, later = {0};
	const char *now = param_now(operation);
	const char *most = param_int(task, WEBHOOK_PENDING_MAX);
	const char *share = param_int(task, WEBHOOK_CUSTOMER_MAX);
	bool found;

	TRY(db_row(operation->db, task, &statements[FEED],
	           PARAMETERS(endpoint_id, now, most, share), &fed, &found));
	TRY(db_row(operation->db, task, &statements[FEED_BACKLOGS],
	           PARAMETERS(endpoint_id, now, most, share, param_int(task, BACKLOGS_AT_ONCE)),
	           &later, &found));
	*events = fed.events + later.events;
	*more = fed.events == EVENTS_AT_ONCE;
	return FAIL_NONE;
}

enum fail
webhook_take(struct operation *operation, const struct webhook_want *wants, size_t want_count,
             const struct webhook_taken **out, size_t *count)
{
	struct json_out json = json_out_new(operation->task->arena, 1024);

	json_out_open(&json, NULL, '[');
	for (size_t i = 0; i < want_count; i++) {
		json_out_open(&json, NULL, '{');
		json_out_string(&json, "endpoint_id", wants[i].endpoint_id);
		json_out_string(&json, "url", wants[i].url);
		json_out_int(&json, "want", wants[i].want);
		json_out_close(&json, '}');
	}
	json_out_close(&json, ']');
	return db_rows(operation->db, operation->task, &statements[TAKE],
	               PARAMETERS(json.text.data, param_now(operation),
	                          param_in(operation, WEBHOOK_LEASE_S * SECOND_MS)),
	               (void *)out, count);
}

enum fail
webhook_give_back(struct operation *operation, const char *endpoint_id,
                  const struct string_list *rows)
{
	return db_run(operation->db, operation->task, &statements[GIVE_BACK],
	              PARAMETERS(endpoint_id, param_list(operation->task, rows),
	                         param_now(operation)),
	              NULL);
}

static void
write_outcome(struct json_out *json, const struct webhook_outcome *outcome)
{
	json_out_open(json, NULL, '{');
	json_out_string(json, "endpoint_id", outcome->endpoint_id);
	json_out_string(json, "row_id", outcome->row_id);
	json_out_string(json, "url", outcome->url);
	json_out_string(json, "customer_id", outcome->customer_id);
	json_out_string(json, "state", outcome->state);
	json_out_time(json, "due_at", outcome->due_at);
	json_out_time(json, "attempted_at", outcome->attempted_at);
	if (outcome->status != 0)
		json_out_int(json, "status", outcome->status);
	json_out_int(json, "took_ms", outcome->took_ms);
	json_out_string(json, "reason", outcome->reason);
	json_out_string(json, "answer", outcome->answer);
	json_out_close(json, '}');
}

enum fail
webhook_record(struct operation *operation, const struct webhook_outcome *outcomes,
               size_t count)
{
	struct json_out json = json_out_new(operation->task->arena, 4096);

	json_out_open(&json, NULL, '[');
	for (size_t i = 0; i < count; i++)
		write_outcome(&json, &outcomes[i]);
	json_out_close(&json, ']');
	return db_run(operation->db, operation->task, &statements[RECORD],
	              PARAMETERS(json.text.data, param_now(operation)), NULL);
}

/* Customers do not see this event. */
static enum fail
tell_disabled(struct operation *operation, const char *endpoint_id, const char *reason)
{
	struct webhook_endpoint endpoint;
	const char *text;

	TRY(webhook_endpoint_find(operation, endpoint_id, &endpoint));
	text = webhook_endpoint_text(operation->task->arena, &endpoint);
	TRY(audit_record_values(operation, "webhook_endpoint_disable", NULL, endpoint_id,
	                        reason, NULL, text));
	return event_write(operation, EVENT_ENDPOINT_DISABLED, NULL, text);
}

static enum fail
disable(struct operation *operation, const char *endpoint_id, const char *reason)
{
	int64_t changed;

	TRY(db_run(operation->db, operation->task, &statements[DISABLE],
	           PARAMETERS(endpoint_id, reason, param_now(operation)), &changed));
	return changed == 0 ? FAIL_NONE : tell_disabled(operation, endpoint_id, reason);
}

enum fail
webhook_health_write(struct operation *operation, const struct webhook_health *health)
{
	struct task *task = operation->task;
	struct judged judged;
	bool found;

	TRY(db_row(operation->db, task, &statements[HEALTH],
	           PARAMETERS(health->endpoint_id, param_now(operation),
	                      param_bool(health->succeeded), param_bool(health->failed),
	                      param_time(task, health->paused_until), param_bool(health->gone),
	                      health->url),
	           &judged, &found));
	if (found && judged.ends)
		return disable(operation, health->endpoint_id,
		               health->gone ? "gone" : "failing");
	/* The URL was changed while the outcomes were recorded: they wait no longer than the rest. */
	if (found ? !judged.recovered : !health->failed)
		return FAIL_NONE;
	return db_run(operation->db, task, &statements[RECOVER],
	              PARAMETERS(health->endpoint_id, param_now(operation)), NULL);
}

enum fail
webhook_prune(struct operation *operation, int64_t *pruned)
{
	const char *batch = param_int(operation->task, operation->batch);
	int64_t deleted;

	TRY(db_run(operation->db, operation->task, &statements[PRUNE],
	           PARAMETERS(param_in(operation, -KEEP_DAYS * DAY_MS), batch), pruned));
	TRY(db_run(operation->db, operation->task, &statements[PRUNE_DELETED],
	           PARAMETERS(batch), &deleted));
	*pruned += deleted;
	return deleted > 0 ? FAIL_NONE
	                   : db_run(operation->db, operation->task, &statements[DROP],
	                            NO_PARAMETERS, NULL);
}

enum fail
webhook_figures(struct operation *operation, struct webhook_figures *out)
{
	bool found;

	*out = (struct webhook_figures){0};
	return db_row(operation->db, operation->task, &statements[FIGURES],
	              PARAMETERS(param_now(operation)), out, &found);
}
