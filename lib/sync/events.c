/* events.c: Stripe's events, from their receipt to their deletion. */
#include "sync/events.h"

#include "billing/audit.h"
#include "outbox/calls.h"
#include "outbox/locks.h"
#include "outbox/parked.h"
#include "subscriptions/sold_items.h"

enum { KEEP_PAYLOAD_DAYS = 30, KEEP_DAYS = 90, NOT_ITS_FAULT_S = 30 };

static const struct column columns[] =
        COLUMNS(struct stripe_event_row, event_id, type, origin, state, family, subject,
                stripe_customer_id, customer_hint, customer_id, attempts, happened_at,
                received_at, next_try_at, finished_at, error);

struct received {
	bool waits;
};

struct due_event {
	const char *event_id;
};

struct payload_row {
	const char *payload;
};

#define EVENT_COLUMNS                                                                          \
	"event_id, type, origin, state, family, subject, stripe_customer_id, customer_hint, "  \
	"customer_id, attempts::bigint AS attempts, happened_at, received_at, next_try_at, "   \
	"finished_at, error"
#define ROW ROWS_OF(struct stripe_event_row, columns)
#define DUE_NOW "date_trunc('milliseconds', now())"
/* An event in work is locked so until the transaction ends. A lock of the row would give the transaction an
 * id while it waits for Stripe, and readers of the log of events stop at the oldest open id. */
#define LOCK "pg_try_advisory_xact_lock(hashtextextended('stripe-event:' || event_id, 0)) "
/* The customers whom event $1 may be about: $3, or $4 as the event names it, or by Stripe's id
 * $5. They are locked: their deletion skips events that are locked, and must be seen here. */
#define OWNERS                                                                                 \
	"WITH owners AS MATERIALIZED (SELECT deleted_at FROM customers WHERE customer_id = "   \
	"  ANY (ARRAY[$3, $4, (SELECT customer_id FROM customers "                             \
	"    WHERE stripe_customer_id = $5)]) FOR SHARE) "
/* A deleted customer's payload is not kept. */
#define PAYLOAD_OF_OWNERS                                                                      \
	"payload = CASE WHEN EXISTS (SELECT FROM owners WHERE deleted_at IS NOT NULL) "        \
	"THEN NULL ELSE payload END, "
#define PAYLOAD_OF_3                                                                           \
	"payload = CASE WHEN EXISTS (SELECT FROM customers WHERE customer_id = $3 "            \
	"AND deleted_at IS NOT NULL) THEN NULL ELSE payload END, "
/* Whether an event names the customer $1. Indexes have the events that are not pending. */
#define OF_CUSTOMER                                                                            \
	"(customer_id = $1 OR customer_hint = $1 OR stripe_customer_id = "                     \
	"  (SELECT stripe_customer_id FROM customers WHERE customer_id = $1)) "

enum {
	RECEIVE,
	RECEIVE_AGAIN,
	LOCK_DUE,
	TAKE,
	FINISH,
	FINISH_OLDER,
	RETRY_LATER,
	PARK,
	LIST,
	FIND,
	PAYLOAD,
	RETRY,
	DISMISS,
	DELETION,
	FIGURES,
	FORGET,
	FORGET_PAYLOADS,
	PRUNE
};

extern const char sync_event_receive_sql[]; /* event_receive.sql */

static const struct statement statements[] = {
        [RECEIVE] = {"stripe_event_receive", ROWS_WITH(struct received, waits),
                     .sql = sync_event_receive_sql},
        [RECEIVE_AGAIN] = {"stripe_event_receive_again",
                           .sql = "UPDATE stripe_events SET state = 'pending', attempts = 0, "
                                  "next_try_at = " DUE_NOW ", finished_at = NULL "
                                  "WHERE event_id IN (SELECT event_id FROM stripe_events "
                                  "  WHERE event_id = $1 AND state = 'parked' "
                                  "  FOR UPDATE SKIP LOCKED)"},
        [LOCK_DUE] = {"stripe_event_lock_due", ROWS_WITH(struct due_event, event_id),
                      .reads = true,
                      .sql = "WITH due AS MATERIALIZED (SELECT event_id FROM stripe_events "
                             "  WHERE state = 'pending' AND next_try_at <= now() "
                             "  ORDER BY urgent DESC, next_try_at, event_id LIMIT 50) "
                             "SELECT event_id FROM due WHERE " LOCK " LIMIT 1"},
        [TAKE] = {"stripe_event_take", ROW,
                  .sql = "SELECT " EVENT_COLUMNS " FROM stripe_events WHERE event_id = $1 "
                         "AND state = 'pending' AND next_try_at <= now()"},
        [FINISH] = {"stripe_event_finish",
                    .sql = OWNERS "UPDATE stripe_events SET " PAYLOAD_OF_OWNERS
                                  "state = $2, customer_id = $3, "
                                  "next_try_at = NULL, finished_at = now(), error = NULL, "
                                  "attempts = attempts + 1 WHERE event_id = $1 "
                                  "AND state = 'pending'"},
        /* Skips events that another process has in work, or has locked: two processes could wait
         * for each other. The locks of a transaction have a bound; what is left is tried itself. */
        [FINISH_OLDER] = {"stripe_event_finish_older",
                          .sql = "UPDATE stripe_events SET " PAYLOAD_OF_3
                                 "state = 'done', customer_id = $3, "
                                 "next_try_at = NULL, finished_at = now(), error = NULL "
                                 "WHERE event_id IN (SELECT event_id FROM stripe_events "
                                 "  WHERE state IN ('pending', 'parked') "
                                 "  AND family = $1 AND subject = $2 "
                                 "  AND received_at < $4 AND " LOCK
                                 "  LIMIT 200 FOR UPDATE SKIP LOCKED)"},
        [RETRY_LATER] = {"stripe_event_retry_later",
                         .sql = "UPDATE stripe_events SET error = $3, next_try_at = now() + "
                                "$2::bigint * interval '1 millisecond', "
                                "attempts = attempts + $4::integer "
                                "WHERE event_id = $1 AND state = 'pending'"},
        [PARK] = {"stripe_event_park",
                  .sql = OWNERS "UPDATE stripe_events SET " PAYLOAD_OF_OWNERS
                                "state = 'parked', next_try_at = NULL, "
                                "finished_at = now(), error = $2, attempts = attempts + 1 "
                                "WHERE event_id = $1 AND state = 'pending'"},
        [LIST] = {"stripe_event_list", ROW,
                  .sql = "SELECT " EVENT_COLUMNS " FROM stripe_events "
                         "WHERE $1::text IS NULL OR state = $1 "
                         "ORDER BY received_at DESC, event_id DESC LIMIT $2::bigint"},
        [FIND] = {"stripe_event_find", ROW,
                  .sql = "SELECT " EVENT_COLUMNS " FROM stripe_events WHERE event_id = $1"},
        [PAYLOAD] = {"stripe_event_payload", ROWS_WITH(struct payload_row, payload),
                     .sql = "SELECT payload FROM stripe_events WHERE event_id = $1"},
        [RETRY] = {"stripe_event_retry",
                   .sql = "UPDATE stripe_events SET state = 'pending', attempts = 0, "
                          "next_try_at = " DUE_NOW ", finished_at = NULL "
                          "WHERE family IS NOT NULL AND CASE WHEN $1::text IS NULL "
                          "THEN state = 'parked' ELSE event_id = $1 "
                          "AND state IN ('parked', 'ignored', 'done', 'dismissed') END"},
        [DISMISS] = {"stripe_event_dismiss",
                     .sql = "UPDATE stripe_events SET state = 'dismissed', next_try_at = NULL, "
                            "finished_at = now() WHERE event_id = $1 "
                            "AND state IN ('parked', 'pending')"},
        [DELETION] = {"stripe_event_deletion",
                      .sql = "SELECT FROM stripe_events WHERE subject = $1 "
                             "AND type LIKE '%.deleted' AND state = 'done' LIMIT 1"},
        [FIGURES] = {"stripe_event_figures",
                     ROWS_WITH(struct stripe_event_figures, pending, parked, oldest_pending),
                     .sql = "SELECT (SELECT count(*) FROM stripe_events "
                            "  WHERE state = 'pending') AS pending, "
                            "(SELECT count(*) FROM stripe_events WHERE state = 'parked') "
                            "  AS parked, (SELECT min(received_at) FROM stripe_events "
                            "  WHERE state = 'pending') AS oldest_pending"},
        /* An event may be in work. Its end checks the customer again. */
        [FORGET] = {"stripe_event_forget",
                    .sql = "WITH ended AS (SELECT event_id FROM stripe_events "
                           "  WHERE payload IS NOT NULL AND state <> 'pending' AND " OF_CUSTOMER
                           "  FOR UPDATE SKIP LOCKED), "
                           "waiting AS (SELECT event_id FROM stripe_events "
                           "  WHERE payload IS NOT NULL AND state = 'pending' AND " OF_CUSTOMER
                           "  FOR UPDATE SKIP LOCKED) "
                           "UPDATE stripe_events SET payload = NULL WHERE event_id = ANY ("
                           "  ARRAY(SELECT event_id FROM ended "
                           "    UNION ALL SELECT event_id FROM waiting))"},
        [FORGET_PAYLOADS] =
                {"stripe_event_forget_payloads",
                 .sql = "UPDATE stripe_events SET payload = NULL WHERE event_id IN ("
                        "  SELECT event_id FROM stripe_events WHERE payload IS NOT NULL "
                        "  AND received_at <= $1 AND state IN ('done', 'ignored', 'dismissed') "
                        "  ORDER BY received_at LIMIT $2::bigint FOR UPDATE SKIP LOCKED)"},
        [PRUNE] =
                {"stripe_event_prune",
                 .sql = "DELETE FROM stripe_events WHERE event_id IN ("
                        "  SELECT event_id FROM stripe_events WHERE received_at <= $1 "
                        "  AND state IN ('done', 'ignored', 'dismissed') ORDER BY received_at "
                        "  LIMIT $2::bigint FOR UPDATE SKIP LOCKED)"},
};

const struct statement_list stripe_event_statements = STATEMENT_LIST(statements);

/* Notifies after the commit of the INSERT: commits that notify are serialised, and each would
 * wait for the disk meanwhile. A lost notification only delays the event until the next regular
 * look. */
static enum fail
wake_jobs(struct operation *operation)
{
	if (db_depth(operation->db) > 0)
		return stripe_jobs_wake(operation);
	if (stripe_jobs_wake_once(operation) != FAIL_NONE)
		task_clear(operation->task);
	return FAIL_NONE;
}

/* Makes a parked event pending. */
static enum fail
receive_again(struct operation *operation, const char *event_id, bool *waits)
{
	int64_t changed;

	TRY(db_run(operation->db, operation->task, &statements[RECEIVE_AGAIN],
	           PARAMETERS(event_id), &changed));
	*waits = changed > 0;
	return FAIL_NONE;
}

enum fail
stripe_event_receive(struct operation *operation, const struct stripe_event *event,
                     const char *payload, const char *origin, bool *is_new)
{
	struct task *task = operation->task;
	/* Test and live mode have separate objects. */
	bool our_mode = event->livemode == operation->billing->sales.live;
	/* Connected accounts have objects of their own, which our key cannot fetch. */
	bool ours = our_mode && event->account == NULL;
	const struct event_ref *ref = &event->ref;
	struct received received = {0};

	TRY(db_row(operation->db, task, &statements[RECEIVE],
	           PARAMETERS(event->id, event->type, param_bool(event->livemode),
	                      event->api_version, param_time(task, event->created), origin,
	                      ours ? ref->family : NULL, ref->subject, ref->customer,
	                      event_customer_id(ref),
	                      ours && ref->family != NULL ? payload : NULL,
	                      ours       ? NULL
	                      : our_mode ? "other_account"
	                                 : "other_mode"),
	           &received, is_new));
	if (!*is_new)
		TRY(receive_again(operation, event->id, &received.waits));
	return received.waits ? wake_jobs(operation) : FAIL_NONE;
}

enum fail
stripe_event_is_new(struct operation *operation, const char *event_id, bool *is_new)
{
	struct stripe_event_row row;
	bool found;

	TRY(db_row(operation->db, operation->task, &statements[FIND], PARAMETERS(event_id),
	           &row, &found));
	*is_new = !found;
	return FAIL_NONE;
}

enum fail
stripe_event_take(struct operation *operation, struct stripe_event_row *out, bool *found)
{
	struct due_event due;
	bool taken = false;

	/* Until it was locked, another process may have ended it. */
	do {
		TRY(db_row(operation->db, operation->task, &statements[LOCK_DUE], NO_PARAMETERS,
		           &due, found));
		if (*found)
			TRY(db_row(operation->db, operation->task, &statements[TAKE],
			           PARAMETERS(due.event_id), out, &taken));
	} while (*found && !taken);
	return FAIL_NONE;
}

enum fail
stripe_event_finish(struct operation *operation, const struct stripe_event_row *row,
                    const char *state, const char *customer_id, struct instant since)
{
	struct task *task = operation->task;

	TRY(db_run(operation->db, task, &statements[FINISH],
	           PARAMETERS(row->event_id, state, customer_id, row->customer_hint,
	                      row->stripe_customer_id),
	           NULL));
	return db_run(
	        operation->db, task, &statements[FINISH_OLDER],
	        PARAMETERS(row->family, row->subject, customer_id, param_time(task, since)),
	        NULL);
}

static enum fail
park(struct operation *operation, const struct stripe_event_row *row, const char *error)
{
	const struct stripe_parked parked = {.kind = "event",
	                                     .id = row->event_id,
	                                     .type = row->type,
	                                     .subject = row->subject,
	                                     .customer_id = row->customer_id,
	                                     .error = error};
	int64_t changed;

	TRY(db_begin(operation->db, operation->task));
	TRY(db_run(operation->db, operation->task, &statements[PARK],
	           PARAMETERS(row->event_id, error, row->customer_id, row->customer_hint,
	                      row->stripe_customer_id),
	           &changed));
	if (changed > 0)
		TRY(stripe_parked_tell(operation, &parked));
	return db_commit(operation->db, operation->task);
}

enum fail
stripe_event_fail(struct operation *operation, const struct stripe_event_row *row,
                  const char *error, bool counts)
{
	struct task *task = operation->task;
	int64_t delay_ms =
	        stripe_retry_delay_ms(row->attempts, operation->billing->sales.event_tries - 1);

	if (!counts)
		delay_ms = NOT_ITS_FAULT_S * SECOND_MS;
	if (delay_ms == 0)
		return park(operation, row, error);
	return db_run(
	        operation->db, task, &statements[RETRY_LATER],
	        PARAMETERS(row->event_id, param_int(task, delay_ms), error, counts ? "1" : "0"),
	        NULL);
}

enum fail
stripe_event_list(struct operation *operation, const char *state, int64_t limit,
                  const struct stripe_event_row **out, size_t *count)
{
	return db_rows(operation->db, operation->task, &statements[LIST],
	               PARAMETERS(state, param_int(operation->task, limit)), (void *)out,
	               count);
}

enum fail
stripe_event_find(struct operation *operation, const char *event_id,
                  struct stripe_event_row *out, const char **payload)
{
	struct payload_row kept = {0};
	bool found;

	TRY(db_row(operation->db, operation->task, &statements[FIND], PARAMETERS(event_id), out,
	           &found));
	if (!found)
		return task_fail(operation->task, FAIL_NOT_FOUND, "event_not_found",
		                 "There is no event %s.", event_id);
	TRY(db_row(operation->db, operation->task, &statements[PAYLOAD], PARAMETERS(event_id),
	           &kept, &found));
	*payload = kept.payload;
	return FAIL_NONE;
}

enum fail
stripe_event_retry(struct operation *operation, const char *event_id, int64_t *count)
{
	return stripe_retry_parked(operation, &statements[RETRY], PARAMETERS(event_id),
	                           event_id, count);
}

enum fail
stripe_event_dismiss(struct operation *operation, const char *event_id, const char *why)
{
	struct task *task = operation->task;
	struct stripe_event_row row;
	const char *payload;
	int64_t changed;

	TRY(db_begin(operation->db, task));
	TRY(stripe_event_find(operation, event_id, &row, &payload));
	TRY(db_run(operation->db, task, &statements[DISMISS], PARAMETERS(event_id), &changed));
	if (changed == 0)
		return task_fail(
		        task, FAIL_CONFLICT, "nothing_to_dismiss",
		        "This event is %s: only a parked or pending one can be dismissed.",
		        row.state);
	TRY(audit_record(operation, "stripe_event_dismiss", row.customer_id, event_id, why));
	return db_commit(operation->db, task);
}

enum fail
stripe_event_deletion_is_known(struct operation *operation, const char *subject, bool *known)
{
	int64_t count;

	TRY(db_run(operation->db, operation->task, &statements[DELETION], PARAMETERS(subject),
	           &count));
	*known = count > 0;
	return FAIL_NONE;
}

enum fail
stripe_event_figures(struct operation *operation, struct stripe_event_figures *out)
{
	bool found;

	return db_row(operation->db, operation->task, &statements[FIGURES], NO_PARAMETERS, out,
	              &found);
}

enum fail
stripe_event_forget(struct operation *operation, const char *customer_id)
{
	return db_run(operation->db, operation->task, &statements[FORGET],
	              PARAMETERS(customer_id), NULL);
}

enum fail
stripe_event_prune(struct operation *operation, int64_t *pruned)
{
	struct task *task = operation->task;
	int64_t forgotten;

	TRY(db_run(operation->db, task, &statements[FORGET_PAYLOADS],
	           PARAMETERS(param_in(operation, -KEEP_PAYLOAD_DAYS * DAY_MS),
	                      param_int(task, operation->batch)),
	           &forgotten));
	return db_run(operation->db, task, &statements[PRUNE],
	              PARAMETERS(param_in(operation, -KEEP_DAYS * DAY_MS),
	                         param_int(task, operation->batch)),
	              pruned);
}
