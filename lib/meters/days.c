/* days.c: finds the days whose use differs from what was sent to Stripe, and records the
 * events that correct them. */
#include "meters/meters.h"

#include <string.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/text.h"
#include "outbox/parked.h"
#include "json/out.h"

enum { DAYS_AT_ONCE = 500, LOOK_BACK_DAYS = 35 };

#define ENQUEUE_EVERY_MS (600 * SECOND_MS)
/* Most late reports of a day arrive within this time. All events must be sent within an hour:
 * then Stripe finalises the invoice of a period that ended at midnight
 * (docs.stripe.com/billing/subscriptions/usage-based/configure-grace-period). */
#define DAY_SETTLES_MS (1800 * SECOND_MS)
/* Stripe cancels an event within 24 hours of receiving it. */
#define CANCEL_MS (23 * HOUR_MS)

/* A day whose use is not what was sent. */
struct difference {
	const char *customer_id;
	const char *stripe_customer_id;
	const char *day;
	const char *metric;
	const char *event_name;
	const char *used;
	const char *sent;
	bool more; /* was used than was sent */
};

extern const char meters_differences_sql[]; /* differences.sql */
extern const char meters_record_sql[];      /* record.sql */
extern const char meters_cancel_sql[];      /* cancel.sql */

struct recorded {
	const char *meter_event_id;
	const char *state;
};

enum { DIFFERENCES, RECORD, CANCEL };

static const struct statement statements[] = {
        [DIFFERENCES] = {"meter_differences",
                         ROWS_WITH(struct difference, customer_id, stripe_customer_id, day,
                                   metric, event_name, used, sent, more),
                         .reads = true, .sql = meters_differences_sql},
        [RECORD] = {"meter_record", ROWS_WITH(struct recorded, meter_event_id, state),
                    .sql = meters_record_sql},
        [CANCEL] = {"meter_cancel", .sql = meters_cancel_sql},
};

const struct statement_list meter_day_statements = STATEMENT_LIST(statements);

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

/* The date at that time, as "2025-02-15". */
static const char *
date_of(struct operation *operation, int64_t ms)
{
	char text[CLOCK_TEXT_SIZE];

	clock_format(ms, text);
	return arena_copy_bytes(operation->task->arena, text, strlen("2025-02-15"));
}

/* Records what is missing of the day's use; a negative rest needs an operator. */
static enum fail
record(struct operation *operation, const struct difference *day)
{
	struct task *task = operation->task;
	struct recorded recorded = {0};
	bool found;

	TRY(db_begin(operation->db, task));
	TRY(db_row(operation->db, task, &statements[RECORD],
	           PARAMETERS(day->customer_id, day->stripe_customer_id, day->day, day->metric,
	                      day->event_name, day->used, param_now(operation)),
	           &recorded, &found));
	if (found && text_equal(recorded.state, "parked"))
		TRY(stripe_parked_tell(
		        operation, &(struct stripe_parked){.kind = "meter_event",
		                                           .id = recorded.meter_event_id,
		                                           .type = day->event_name,
		                                           .customer_id = day->customer_id,
		                                           .error = "too_late_to_correct"}));
	return db_commit(operation->db, task);
}

/* Records the events that correct the day. When too much was sent, all is canceled and sent
 * anew. */
static enum fail
correct_day(struct operation *operation, const struct difference *day)
{
	struct task *task = operation->task;
	const char *now = param_now(operation);

	if (!day->more)
		TRY(db_run(operation->db, task, &statements[CANCEL],
		           PARAMETERS(day->customer_id, day->day, day->metric, day->event_name,
		                      now, param_in(operation, -CANCEL_MS)),
		           NULL));
	log_line(LOG_LEVEL_INFO, "metered use differs from what was sent",
	         LOG_S("customer_id", day->customer_id), LOG_S("day", day->day),
	         LOG_S("metric", day->metric), LOG_S("used", day->used),
	         LOG_S("sent", day->sent));
	return record(operation, day);
}

static enum fail
correct_days(struct operation *operation, struct stripe_sweep *sweep)
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
		                param_int(task, DAYS_AT_ONCE)),
		        (void *)&days, &count));
	for (size_t i = 0; i < count; i++)
		TRY(correct_day(operation, &days[i]));
	sweep->differences += (int64_t)count;
	sweep->finished = count < DAYS_AT_ONCE;
	return FAIL_NONE;
}

enum fail
meter_run_enqueue(struct operation *operation, int64_t *done)
{
	return stripe_sweep_run(operation, "meter_days", ENQUEUE_EVERY_MS, correct_days, done);
}
