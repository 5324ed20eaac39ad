/* send.c: sends recorded meter events, and their cancellations, to Stripe. */
#include "meters/meters.h"

#include <string.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/text.h"
#include "outbox/calls.h"
#include "outbox/parked.h"
#include "stripe/form.h"

/* Longer than any attempt takes: then another process may try. */
#define ATTEMPT_MS (120 * SECOND_MS)

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
};

enum { TAKE, SENT, CANCELED, KEPT, POSTPONE, PARK, FIGURES };

extern const char meters_take_sql[]; /* take.sql */

static const struct statement statements[] = {
        [TAKE] = {"meter_take",
                  ROWS_WITH(struct meter_row, meter_event_id, customer_id, stripe_customer_id,
                            event_name, value, state, attempts, timestamp_s, first_try_at),
                  .sql = meters_take_sql},
        [SENT] = {"meter_sent",
                  .sql = "UPDATE meter_events SET state = 'sent', next_try_at = NULL, "
                         "sent_at = $2::timestamptz, error = NULL "
                         "WHERE meter_event_id = $1 AND state = 'pending'"},
        [CANCELED] = {"meter_canceled",
                      .sql = "UPDATE meter_events SET state = 'canceled', next_try_at = NULL, "
                             "error = $2 WHERE meter_event_id = $1 AND state = 'canceling'"},
        [KEPT] = {"meter_kept",
                  .sql = "UPDATE meter_events SET state = 'sent', next_try_at = NULL, "
                         "can_cancel = false, error = $2 WHERE meter_event_id = $1 "
                         "AND state = 'canceling'"},
        [POSTPONE] = {"meter_postpone",
                      .sql = "UPDATE meter_events SET next_try_at = $2::timestamptz, "
                             "error = $3 WHERE meter_event_id = $1 "
                             "AND state IN ('pending', 'canceling')"},
        [PARK] = {"meter_park",
                  .sql = "UPDATE meter_events SET state = 'parked', next_try_at = NULL, "
                         "error = $2 WHERE meter_event_id = $1 AND state = 'pending'"},
        [FIGURES] = {"meter_figures", ROWS_WITH(struct meter_figures, pending, parked),
                     .sql = "SELECT (SELECT count(*) FROM meter_events "
                            "  WHERE state IN ('pending', 'canceling')) AS pending, "
                            "(SELECT count(*) FROM meter_events WHERE state = 'parked' "
                            "  AND error IS DISTINCT FROM 'settled') AS parked"},
};

const struct statement_list meter_send_statements = STATEMENT_LIST(statements);

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
record(struct operation *operation, int statement, const struct meter_row *row,
       const char *error)
{
	return db_run(operation->db, operation->task, &statements[statement],
	              PARAMETERS(row->meter_event_id, error), NULL);
}

static enum fail
record_sent(struct operation *operation, const struct meter_row *row)
{
	return db_run(operation->db, operation->task, &statements[SENT],
	              PARAMETERS(row->meter_event_id, param_now(operation)), NULL);
}

static enum fail
park(struct operation *operation, const struct meter_row *row, const char *error)
{
	const struct stripe_parked parked = {.kind = "meter_event",
	                                     .id = row->meter_event_id,
	                                     .type = row->event_name,
	                                     .customer_id = row->customer_id,
	                                     .error = error};
	int64_t changed;

	TRY(db_begin(operation->db, operation->task));
	TRY(db_run(operation->db, operation->task, &statements[PARK],
	           PARAMETERS(row->meter_event_id, error), &changed));
	if (changed > 0)
		TRY(stripe_parked_tell(operation, &parked));
	return db_commit(operation->db, operation->task);
}

/* Whether Stripe refuses the identifier because it has it. It had been sent then: by an earlier attempt,
 * or before this database was restored (record.sql). */
static bool
is_known(const struct meter_row *row, const struct stripe_answer *answer)
{
	return answer->error_message != NULL &&
	       strstr(answer->error_message, row->meter_event_id) != NULL &&
	       (answer->error_param == NULL || text_equal(answer->error_param, "identifier"));
}

static enum fail
record_refusal(struct operation *operation, const struct meter_row *row,
               const struct stripe_answer *answer)
{
	const char *code = answer->error_code == NULL ? "refused" : answer->error_code;

	if (strcmp(row->state, "canceling") == 0)
		return record(operation, KEPT, row, code);
	if (is_known(row, answer))
		return record_sent(operation, row);
	log_line(LOG_LEVEL_WARNING, "meter event refused",
	         LOG_S("meter_event", row->meter_event_id),
	         LOG_S("customer_id", row->customer_id), LOG_S("code", code));
	return park(operation, row, code);
}

static enum fail
resolve(struct operation *operation, const struct meter_row *row,
        const struct stripe_answer *answer)
{
	struct task *task = operation->task;
	int64_t delay_ms;

	switch (answer->outcome) {
	case STRIPE_DONE:
		if (strcmp(row->state, "canceling") == 0)
			return record(operation, CANCELED, row, NULL);
		return record_sent(operation, row);
	case STRIPE_REFUSED:
		return record_refusal(operation, row, answer);
	case STRIPE_NOT_NOW:
	case STRIPE_UNKNOWN:
		break;
	}
	delay_ms = stripe_retry_delay_ms(row->attempts, INT64_MAX);
	TRY(db_run(operation->db, task, &statements[POSTPONE],
	           PARAMETERS(row->meter_event_id, param_in(operation, delay_ms),
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
	/* Stripe may have forgotten an earlier attempt: meter_compare() finds out. */
	if (strcmp(row.state, "pending") == 0 &&
	    now.ms - row.first_try_at.ms >= STRIPE_KEY_LIFE_MS)
		return park(operation, &row, "outcome_unknown");
	send_event(operation, &row, &answer);
	return resolve(operation, &row, &answer);
}

enum fail
meter_figures(struct operation *operation, struct meter_figures *out)
{
	bool found;

	*out = (struct meter_figures){0};
	return db_row(operation->db, operation->task, &statements[FIGURES], NO_PARAMETERS, out,
	              &found);
}
