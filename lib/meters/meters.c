/*
 * meters.c: what Stripe is to be told of metered use, and telling it.
 */
#include "meters/meters.h"

#include <string.h>

#include "base/arena.h"
#include "base/json_out.h"
#include "base/log.h"
#include "base/random.h"
#include "outbox/calls.h"
#include "stripe/form.h"

enum { PLAN_BATCH = 500, LOOK_BACK_DAYS = 35 };

#define PLAN_EVERY_MS (600 * SECOND_MS)
/* Late reports of the night before come mostly within this time. All must be told within an hour:
 * then Stripe finishes the invoice of a period that ended at midnight (docs.stripe.com/billing/
 * subscriptions/usage-based/configure-grace-period). */
#define DAY_SETTLES_MS (1800 * SECOND_MS)
/* Longer than any attempt takes: then another process may try. */
#define ATTEMPT_MS (120 * SECOND_MS)
/* Stripe takes an event back within a day of it. */
#define CANCEL_MS (23 * HOUR_MS)

/* A day whose worth is not what Stripe was told. */
struct difference {
	const char *customer_id;
	const char *stripe_customer_id;
	const char *day;
	const char *metric;
	const char *event_name;
	const char *wanted;
	const char *told;
	bool more; /* is wanted than was told */
};

struct meter_row {
	const char *meter_event_id;
	const char *customer_id;
	const char *stripe_customer_id;
	const char *event_name;
	const char *value;
	const char *state;
	int64_t attempts;
	int64_t timestamp_s; /* the last second of the day */
	struct instant first_try_at;
	struct instant sent_at;
};

static const struct column difference_columns[] =
        COLUMNS(struct difference, customer_id, stripe_customer_id, day, metric, event_name,
                wanted, told, more);

static const struct column row_columns[] =
        COLUMNS(struct meter_row, meter_event_id, customer_id, stripe_customer_id, event_name,
                value, state, attempts, timestamp_s, first_try_at, sent_at);

static const struct column figure_columns[] = COLUMNS(struct meter_figures, pending, parked);

enum { DIFFERENCES, TELL, TAKE_BACK, TAKE, SENT, CANCELED, KEPT, POSTPONE, PARK, FIGURES };

static const struct statement statements[] = {
        /* $1 the meters of plans.json  $2 first day  $3 last day  $4 at most. A day that has lost
	 * its metric altogether is worth nothing. A day belongs to the plan that it had; what was
	 * told of days whose plan is not known any more, or has no such meter, stays. */
        [DIFFERENCES] =
                {.name = "meter_differences",
                 .columns = difference_columns,
                 .row_size = sizeof(struct difference),
                 .sql = "WITH worth AS ("
                        "  SELECT d.customer_id, c.stripe_customer_id, d.day, d.metric, "
                        "    m.event_name, sum(CASE WHEN m.level THEN d.highest "
                        "      ELSE d.total END) AS value "
                        "  FROM usage_daily_metrics d "
                        "  JOIN customers c ON c.customer_id = d.customer_id "
                        "    AND c.stripe_customer_id IS NOT NULL AND c.deleted_at IS NULL "
                        "  JOIN LATERAL (SELECT plan, status, stripe_subscription_id, "
                        "    created_at, plan_before, plan_before_from, "
                        "    COALESCE(plan_from, '-infinity') AS plan_from "
                        "    FROM subscriptions WHERE customer_id = d.customer_id "
                        "    ORDER BY superseded, subscription_id DESC LIMIT 1) s "
                        "    ON s.stripe_subscription_id IS NOT NULL "
                        "    AND s.status IN ('active', 'trialing', 'past_due', 'unpaid') "
                        "    AND d.day >= (s.created_at AT TIME ZONE 'UTC')::date "
                        "  JOIN jsonb_to_recordset($1::jsonb) AS m (plan text, metric text, "
                        "    level boolean, event_name text) "
                        "    ON m.metric = d.metric AND m.plan = CASE "
                        "      WHEN d.day >= s.plan_from THEN s.plan "
                        "      WHEN d.day >= s.plan_before_from THEN s.plan_before END "
                        "  WHERE d.day BETWEEN $2::date AND $3::date "
                        "  GROUP BY 1, 2, 3, 4, 5), "
                        "told AS ("
                        "  SELECT customer_id, max(stripe_customer_id) AS "
                        "    stripe_customer_id, day, metric, event_name, "
                        "    sum(value) AS value FROM meter_events "
                        "  WHERE day BETWEEN $2::date AND $3::date "
                        "  AND state IN ('pending', 'sent', 'parked') "
                        "  GROUP BY customer_id, day, metric, event_name), "
                        "both_sides AS ("
                        "  SELECT w.customer_id, w.stripe_customer_id, w.day, w.metric, "
                        "    w.event_name, w.value AS wanted, "
                        "    COALESCE(t.value, 0) AS told "
                        "  FROM worth w LEFT JOIN told t "
                        "  USING (customer_id, day, metric, event_name) "
                        "  UNION ALL SELECT t.customer_id, t.stripe_customer_id, t.day, "
                        "    t.metric, t.event_name, 0, t.value FROM told t "
                        "  WHERE NOT EXISTS (SELECT FROM usage_daily_metrics d "
                        "    WHERE d.customer_id = t.customer_id AND d.day = t.day "
                        "    AND d.metric = t.metric)) "
                        "SELECT customer_id, stripe_customer_id, day::text AS day, metric, "
                        "event_name, wanted::text AS wanted, told::text AS told, "
                        "wanted > told AS more FROM both_sides WHERE wanted <> told "
                        "ORDER BY day, customer_id, metric LIMIT $4::bigint"},
        /* What is missing of $7, which may be negative; then only people can mend it. */
        [TELL] = {.name = "meter_tell",
                  .sql = "INSERT INTO meter_events (meter_event_id, customer_id, "
                         "stripe_customer_id, day, metric, event_name, value, state, "
                         "created_at, next_try_at, error) "
                         "SELECT $1, $2, $3, $4::date, $5, $6, v.rest, "
                         "CASE WHEN v.rest > 0 THEN 'pending' ELSE 'parked' END, "
                         "$8::timestamptz, "
                         "CASE WHEN v.rest > 0 THEN $8::timestamptz END, "
                         "CASE WHEN v.rest < 0 THEN 'too_late_to_correct' END "
                         "FROM (SELECT $7::numeric - COALESCE(sum(value), 0) AS rest "
                         "  FROM meter_events WHERE customer_id = $2 AND day = $4::date "
                         "  AND metric = $5 AND event_name = $6 "
                         "  AND state IN ('pending', 'sent', 'parked')) v "
                         "WHERE v.rest <> 0"},
        /* What was never tried need not be taken back. */
        [TAKE_BACK] =
                {.name = "meter_take_back",
                 .sql = "UPDATE meter_events SET "
                        "state = CASE WHEN state = 'pending' THEN 'canceled' "
                        "  ELSE 'canceling' END, attempts = 0, "
                        "next_try_at = CASE WHEN state = 'sent' THEN $5::timestamptz END "
                        "WHERE customer_id = $1 AND day = $2::date AND metric = $3 "
                        "AND event_name = $4 AND ((state = 'pending' AND attempts = 0) OR "
                        "(state = 'sent' AND can_cancel AND first_try_at > $6::timestamptz))"},
        /* The attempt is committed before it is made. */
        [TAKE] = {.name = "meter_take",
                  .columns = row_columns,
                  .row_size = sizeof(struct meter_row),
                  .sql = "UPDATE meter_events SET attempts = attempts + 1, "
                         "first_try_at = COALESCE(first_try_at, $1::timestamptz), "
                         "next_try_at = $2::timestamptz WHERE meter_event_id = "
                         "(SELECT meter_event_id FROM meter_events "
                         "  WHERE state IN ('pending', 'canceling') "
                         "  AND next_try_at <= $1::timestamptz ORDER BY next_try_at LIMIT 1 "
                         "  FOR UPDATE SKIP LOCKED) "
                         "RETURNING meter_event_id, customer_id, stripe_customer_id, "
                         "event_name, value::text AS value, state, attempts, "
                         "(extract(epoch FROM (day + 1)::timestamp AT TIME ZONE 'UTC') - 1)"
                         "::bigint AS timestamp_s, first_try_at, sent_at"},
        [SENT] = {.name = "meter_sent",
                  .sql = "UPDATE meter_events SET state = 'sent', next_try_at = NULL, "
                         "sent_at = $2::timestamptz, error = NULL "
                         "WHERE meter_event_id = $1 AND state = 'pending'"},
        [CANCELED] = {.name = "meter_canceled",
                      .sql = "UPDATE meter_events SET state = 'canceled', next_try_at = NULL, "
                             "error = $2 WHERE meter_event_id = $1 "
                             "AND state = 'canceling'"},
        [KEPT] = {.name = "meter_kept",
                  .sql = "UPDATE meter_events SET state = 'sent', next_try_at = NULL, "
                         "can_cancel = false, error = $2 WHERE meter_event_id = $1 "
                         "AND state = 'canceling'"},
        [POSTPONE] = {.name = "meter_postpone",
                      .sql = "UPDATE meter_events SET next_try_at = $2::timestamptz, "
                             "error = $3 WHERE meter_event_id = $1 "
                             "AND state IN ('pending', 'canceling')"},
        [PARK] = {.name = "meter_park",
                  .sql = "UPDATE meter_events SET state = 'parked', next_try_at = NULL, "
                         "error = $2 WHERE meter_event_id = $1 AND state = 'pending'"},
        [FIGURES] = {.name = "meter_figures",
                     .columns = figure_columns,
                     .row_size = sizeof(struct meter_figures),
                     .sql = "SELECT (SELECT count(*) FROM meter_events "
                            "  WHERE state IN ('pending', 'canceling')) AS pending, "
                            "(SELECT count(*) FROM meter_events WHERE state = 'parked' "
                            "  AND error IS DISTINCT FROM 'settled') AS parked"},
};

const struct statement_list meter_statements = {statements,
                                                sizeof(statements) / sizeof(*statements)};

/* The meters that plans name, as JSON for the statement; NULL: none. */
static const char *
meters_text(const struct operation *operation)
{
	const struct plans *plans = &operation->billing->plans;
	struct json_out json = json_out_new(operation->task->arena, 512);
	bool any = false;

	json_out_open(&json, NULL, '[');
	for (size_t i = 0; i < plans->count; i++)
		for (size_t k = 0; k < plans->metric_count; k++) {
			const char *meter = plans->items[i].usage.meters[k];

			if (meter == NULL)
				continue;
			any = true;
			json_out_open(&json, NULL, '{');
			json_out_string(&json, "plan", plans->items[i].id);
			json_out_string(&json, "metric", plans->metrics[k].name);
			json_out_bool(&json, "level",
			              plans->metrics[k].kind == PLAN_METRIC_LEVEL);
			json_out_string(&json, "event_name", meter);
			json_out_close(&json, '}');
		}
	json_out_close(&json, ']');
	return any ? json.text.data : NULL;
}

/* The date of a day so many days before or after the time. */
static const char *
date_of(struct operation *operation, int64_t ms)
{
	char text[CLOCK_TEXT_SIZE];

	clock_format(ms, text);
	return arena_copy_bytes(operation->task->arena, text, strlen("2025-02-15"));
}

/* Writes down what makes the day right; too much is taken back as a whole and told anew. */
static enum fail
plan_day(struct operation *operation, const struct difference *day)
{
	struct task *task = operation->task;
	const char *now = param_time(task, INSTANT_MS(operation->now_ms));
	const char *id = random_id(task->arena, "mev_", 16);

	if (!day->more)
		TRY(db_run(
		        operation->db, task, &statements[TAKE_BACK],
		        PARAMETERS(day->customer_id, day->day, day->metric, day->event_name,
		                   now,
		                   param_time(task, INSTANT_MS(operation->now_ms - CANCEL_MS))),
		        NULL));
	log_line(LOG_LEVEL_INFO, "metered use differs from what was told",
	         LOG_S("customer_id", day->customer_id), LOG_S("day", day->day),
	         LOG_S("metric", day->metric), LOG_S("used", day->wanted),
	         LOG_S("told", day->told));
	return db_run(operation->db, task, &statements[TELL],
	              PARAMETERS(id, day->customer_id, day->stripe_customer_id, day->day,
	                         day->metric, day->event_name, day->wanted, now),
	              NULL);
}

enum fail
meter_enqueue(struct operation *operation, struct stripe_sweep *sweep)
{
	struct task *task = operation->task;
	const char *meters = meters_text(operation);
	const struct difference *days;
	size_t count = 0;

	if (meters != NULL)
		TRY(db_rows(
		        operation->db, task, &statements[DIFFERENCES],
		        PARAMETERS(
		                meters,
		                date_of(operation, operation->now_ms - LOOK_BACK_DAYS * DAY_MS),
		                date_of(operation, operation->now_ms - DAY_MS - DAY_SETTLES_MS),
		                param_int(task, PLAN_BATCH)),
		        (void *)&days, &count));
	for (size_t i = 0; i < count; i++)
		TRY(plan_day(operation, &days[i]));
	sweep->differences += (int64_t)count;
	sweep->finished = count < PLAN_BATCH;
	return FAIL_NONE;
}

enum fail
meter_run_enqueue(struct operation *operation, int64_t *done)
{
	return stripe_sweep_run(operation, "meter_days", PLAN_EVERY_MS, meter_enqueue, done);
}

static void
send_event(struct operation *operation, const struct meter_row *row, struct stripe_answer *out)
{
	struct arena *arena = operation->task->arena;
	struct stripe_form form = stripe_form_new(arena);
	bool cancel = strcmp(row->state, "canceling") == 0;
	struct stripe_request request = {
	        .method = STRIPE_POST,
	        .path = cancel ? "/v1/billing/meter_event_adjustments"
	                       : "/v1/billing/meter_events",
	        .idempotency_key =
	                cancel ? arena_printf(arena, "%s_cancel", row->meter_event_id)
	                       : row->meter_event_id,
	        .deadline_us = operation->deadline_us,
	};

	stripe_form_string(&form, "event_name", row->event_name);
	if (cancel) {
		stripe_form_string(&form, "type", "cancel");
		stripe_form_string(&form, "cancel[identifier]", row->meter_event_id);
	} else {
		stripe_form_string(&form, "identifier", row->meter_event_id);
		stripe_form_int(&form, "timestamp", row->timestamp_s);
		stripe_form_string(&form, "payload[stripe_customer_id]",
		                   row->stripe_customer_id);
		stripe_form_string(&form, "payload[value]", row->value);
	}
	request.form = form.text.data;
	stripe_client_send(operation->stripe, operation->task, &request, out);
}

static enum fail
note(struct operation *operation, int statement, const struct meter_row *row, const char *error)
{
	return db_run(operation->db, operation->task, &statements[statement],
	              PARAMETERS(row->meter_event_id, error), NULL);
}

static enum fail
note_sent(struct operation *operation, const struct meter_row *row)
{
	return db_run(operation->db, operation->task, &statements[SENT],
	              PARAMETERS(row->meter_event_id,
	                         param_time(operation->task, INSTANT_MS(operation->now_ms))),
	              NULL);
}

/* Stripe did nothing, and said so. An identifier that it knows was told by an earlier attempt. */
static enum fail
note_refusal(struct operation *operation, const struct meter_row *row,
             const struct stripe_answer *answer)
{
	const char *code = answer->error_code == NULL ? "refused" : answer->error_code;

	if (strcmp(row->state, "canceling") == 0)
		return note(operation, KEPT, row, code);
	if (row->attempts + answer->attempts > 2 && answer->error_message != NULL &&
	    strstr(answer->error_message, row->meter_event_id) != NULL)
		return note_sent(operation, row);
	log_line(LOG_LEVEL_WARNING, "meter event refused",
	         LOG_S("meter_event", row->meter_event_id),
	         LOG_S("customer_id", row->customer_id), LOG_S("code", code));
	return note(operation, PARK, row, code);
}

static enum fail
settle(struct operation *operation, const struct meter_row *row,
       const struct stripe_answer *answer)
{
	struct task *task = operation->task;
	int64_t delay_ms;

	switch (answer->outcome) {
	case STRIPE_DONE:
		if (strcmp(row->state, "canceling") == 0)
			return note(operation, CANCELED, row, NULL);
		return note_sent(operation, row);
	case STRIPE_REFUSED:
		return note_refusal(operation, row, answer);
	case STRIPE_NOT_NOW:
	case STRIPE_UNKNOWN:
		break;
	}
	delay_ms = stripe_retry_delay_ms(row->attempts, INT64_MAX);
	TRY(db_run(operation->db, task, &statements[POSTPONE],
	           PARAMETERS(row->meter_event_id,
	                      param_time(task, INSTANT_MS(operation->now_ms + delay_ms)),
	                      answer->outcome == STRIPE_UNKNOWN ? "no_answer" : "not_now"),
	           NULL));
	return stripe_client_failure(task, answer);
}

enum fail
meter_send_run(struct operation *operation, int64_t *done)
{
	struct task *task = operation->task;
	struct instant now = INSTANT_MS(operation->now_ms);
	struct stripe_answer answer = {0};
	struct meter_row row = {0};
	bool found;

	if (operation->stripe == NULL)
		return FAIL_NONE;
	TRY(db_row(operation->db, task, &statements[TAKE],
	           PARAMETERS(param_time(task, now),
	                      param_time(task, INSTANT_MS(now.ms + ATTEMPT_MS))),
	           &row, &found));
	if (!found)
		return FAIL_NONE;
	*done = 1;
	/* Stripe may have forgotten an earlier attempt: the comparison finds out. */
	if (strcmp(row.state, "pending") == 0 &&
	    now.ms - row.first_try_at.ms >= STRIPE_KEY_LIFE_MS)
		return note(operation, PARK, &row, "outcome_unknown");
	send_event(operation, &row, &answer);
	return settle(operation, &row, &answer);
}

enum fail
meter_figures(struct operation *operation, struct meter_figures *out)
{
	bool found;

	*out = (struct meter_figures){0};
	return db_row(operation->db, operation->task, &statements[FIGURES], NO_PARAMETERS, out,
	              &found);
}
