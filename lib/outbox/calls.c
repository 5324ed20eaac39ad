/* calls.c: requests that change something at Stripe, each recorded before it is sent. */
#include "outbox/calls.h"

#include <string.h>

#include "base/arena.h"
#include "base/random.h"
#include "base/text.h"
#include "outbox/parked.h"

enum { CALL_TRIES = 12, NOT_ITS_FAULT_S = 60 };

static const struct column columns[] = COLUMNS(
        struct stripe_call, call_id, kind, customer_id, subject, deletes, path, parameters,
        plan, idempotency_key, request, state, attempts, created_at, result_id, error);

/* The column `path` has "DELETE " before the path of a deletion. */
#define DELETE_PREFIX "DELETE "
#define CALL_COLUMNS                                                                           \
	"call_id, kind, customer_id, subject, path LIKE '" DELETE_PREFIX "%' AS deletes, "     \
	"regexp_replace(path, '^" DELETE_PREFIX "', '') AS path, "                             \
	"parameters, plan, idempotency_key, "                                                  \
	"request, state, attempts::bigint AS attempts, created_at, result_id, error"
#define ROW ROWS_OF(struct stripe_call, columns)

/* A call in work is locked so until the transaction ends. A lock of the row would give the
 * transaction an id while it waits for Stripe, and readers of the log of events stop at the oldest
 * open id. During an update an older program, which locks the row alone, may take a call that is in
 * work; this is harmless, as both send the same Idempotency-Key, and a refusal or a retry changes
 * only a call that is pending. The same expression is in call_forget.sql. */
#define CALL_LOCK(id) "hashtextextended('stripe-call:' || " id ", 0)"

enum {
	WRITE,
	RECORD_NOTHING,
	KNOWN,
	FREE,
	CREATION,
	DONE,
	RETRY,
	RENEW,
	HOLD,
	EXISTS,
	DROP,
	LOCK_DUE,
	TAKE,
	END
};

struct due_call {
	int64_t call_id;
};

struct ended_call {
	const char *state;
};

extern const char outbox_call_end_sql[]; /* call_end.sql */

static const struct statement statements[] = {
        [WRITE] = {"stripe_call_write", ROW,
                   .sql = "INSERT INTO stripe_calls (kind, customer_id, subject, path, "
                          "parameters, idempotency_key, intent, request, state, created_at, "
                          "next_try_at, plan) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, "
                          "'pending', $9, $10, $11) ON CONFLICT DO NOTHING "
                          "RETURNING " CALL_COLUMNS},
        [RECORD_NOTHING] =
                {"stripe_call_record_nothing",
                 .sql = "INSERT INTO stripe_calls (kind, customer_id, subject, path, "
                        "parameters, idempotency_key, intent, request, state, created_at, "
                        "finished_at) VALUES ('" STRIPE_NOTHING "', $1, $2, '', '', $3, $4, "
                        "$5, 'done', $6, $6) ON CONFLICT DO NOTHING"},
        [KNOWN] = {"stripe_call_known", ROW,
                   .sql = "SELECT " CALL_COLUMNS " FROM stripe_calls WHERE intent = $1 "
                          "AND created_at > $2"},
        /* Stripe has forgotten the key, so the client's key may name a new request. */
        [FREE] = {"stripe_call_free",
                  .sql = "UPDATE stripe_calls SET intent = NULL WHERE intent = $1 "
                         "AND created_at <= $2"},
        [CREATION] = {"stripe_call_creation", ROW,
                      .sql = "SELECT " CALL_COLUMNS " FROM stripe_calls WHERE customer_id = $1 "
                             "AND kind = 'customer_create' AND state = 'pending'"},
        [DONE] = {"stripe_call_done",
                  .sql = "UPDATE stripe_calls SET state = 'done', parameters = CASE "
                         "WHEN kind LIKE 'customer%' THEN '' ELSE parameters END, "
                         "next_try_at = NULL, attempts = attempts + $5::integer, "
                         "finished_at = $2, stripe_request_id = $3, result_id = $4, "
                         "error = NULL, error_param = NULL, error_message = NULL "
                         "WHERE call_id = $1::bigint"},
        [RETRY] = {"stripe_call_retry",
                   .sql = "UPDATE stripe_calls SET next_try_at = $2, error = $3, "
                          "attempts = attempts + $4::integer, stripe_request_id = "
                          "COALESCE($5, stripe_request_id) "
                          "WHERE call_id = $1::bigint AND state = 'pending'"},
        [RENEW] = {"stripe_call_renew",
                   .sql = "UPDATE stripe_calls SET idempotency_key = $2, intent = NULL "
                          "WHERE call_id = $1::bigint"},
        [HOLD] = {"stripe_call_hold",
                  .sql = "SELECT pg_advisory_xact_lock(" CALL_LOCK("$1") ")"},
        [EXISTS] = {"stripe_call_exists",
                    .sql = "SELECT FROM stripe_calls WHERE call_id = $1::bigint"},
        /* Not a call that another request with the same key has locked and is about to send. */
        [DROP] = {"stripe_call_drop",
                  .sql = "DELETE FROM stripe_calls WHERE call_id IN (SELECT call_id "
                         "FROM stripe_calls WHERE call_id = $1::bigint "
                         "AND state = 'pending' AND attempts = 0 "
                         "AND pg_try_advisory_xact_lock(" CALL_LOCK(
                                 "call_id") ") "
                                            "FOR UPDATE SKIP LOCKED)"},
        [LOCK_DUE] =
                {"stripe_call_lock_due", ROWS_WITH(struct due_call, call_id), .reads = true,
                 .sql = "WITH due AS MATERIALIZED (SELECT call_id FROM stripe_calls "
                        "  WHERE state = 'pending' AND next_try_at <= $1 "
                        "  ORDER BY next_try_at LIMIT 50) "
                        "SELECT call_id FROM due WHERE pg_try_advisory_xact_lock(" CALL_LOCK(
                                "call_id") ") LIMIT 1"},
        [TAKE] = {"stripe_call_take", ROW,
                  .sql = "SELECT " CALL_COLUMNS " FROM stripe_calls "
                         "WHERE call_id = $2::bigint AND state = 'pending' "
                         "AND next_try_at <= $1"},
        [END] = {"stripe_call_end", ROWS_WITH(struct ended_call, state),
                 .sql = outbox_call_end_sql},
};

const struct statement_list stripe_call_statements = STATEMENT_LIST(statements);

/* All twelve attempts take about a day. */
static const int64_t delays_s[] = {5,    20,   60,   300,   900,   1800,
                                   3600, 7200, 7200, 14400, 14400, 14400};

int64_t
stripe_retry_delay_ms(int64_t attempts, int64_t attempts_max)
{
	size_t last = sizeof(delays_s) / sizeof(*delays_s) - 1;

	if (attempts >= attempts_max)
		return 0;
	return delays_s[(size_t)attempts > last ? last : (size_t)attempts] * SECOND_MS;
}

const char *
stripe_call_key(struct operation *operation)
{
	return random_id(operation->task->arena, "gb_", 16);
}

/* Stripe may have forgotten the keys of calls that were created before. */
static const char *
oldest_key(struct operation *operation)
{
	return param_in(operation, -STRIPE_KEY_LIFE_MS);
}

/* Finds the call that kept ours from being inserted: that of the same intent, or the creation
 * of the same customer. */
static enum fail
find_other(struct operation *operation, const struct stripe_call *wanted,
           struct stripe_call *out)
{
	struct task *task = operation->task;
	bool found = false;

	if (wanted->by_client)
		TRY(stripe_call_known(operation, out, &found));
	else
		TRY(db_row(operation->db, task, &statements[CREATION],
		           PARAMETERS(wanted->customer_id), out, &found));
	if (!found)
		return fail_in_progress(
		        task, false,
		        "Another request of this customer has just ended; try again.");
	return FAIL_NONE;
}

/* Takes the client's key from a call that is too old to be repeated. */
static enum fail
free_intent(struct operation *operation, const struct intent *intent)
{
	struct task *task = operation->task;

	if (intent == NULL)
		return FAIL_NONE;
	return db_run(operation->db, task, &statements[FREE],
	              PARAMETERS(param_digest(task, &intent->key), oldest_key(operation)),
	              NULL);
}

enum fail
stripe_call_write(struct operation *operation, const struct stripe_call *wanted,
                  int64_t delay_ms, struct stripe_call *out)
{
	struct task *task = operation->task;
	const struct intent *intent = wanted->by_client ? operation->intent : NULL;
	bool written;

	TRY(free_intent(operation, intent));
	TRY(db_row(
	        operation->db, task, &statements[WRITE],
	        PARAMETERS(wanted->kind, wanted->customer_id, wanted->subject,
	                   wanted->deletes
	                           ? arena_printf(task->arena, DELETE_PREFIX "%s", wanted->path)
	                           : wanted->path,
	                   wanted->parameters, stripe_call_key(operation),
	                   intent == NULL ? NULL : param_digest(task, &intent->key),
	                   intent == NULL ? NULL : param_digest(task, &intent->request),
	                   param_now(operation), param_in(operation, delay_ms), wanted->plan),
	        out, &written));
	if (!written)
		TRY(find_other(operation, wanted, out));
	out->is_new = written;
	return FAIL_NONE;
}

enum fail
stripe_call_record_nothing(struct operation *operation, const char *customer_id,
                           const char *subject)
{
	struct task *task = operation->task;
	const struct intent *intent = operation->intent;
	int64_t written;

	if (intent == NULL)
		return FAIL_NONE;
	TRY(free_intent(operation, intent));
	TRY(db_run(operation->db, task, &statements[RECORD_NOTHING],
	           PARAMETERS(customer_id, subject, stripe_call_key(operation),
	                      param_digest(task, &intent->key),
	                      param_digest(task, &intent->request), param_now(operation)),
	           &written));
	if (written > 0)
		return FAIL_NONE;
	return fail_in_progress(task, true, NULL);
}

enum fail
stripe_call_known(struct operation *operation, struct stripe_call *out, bool *found)
{
	struct task *task = operation->task;
	const struct intent *intent = operation->intent;

	*found = false;
	*out = (struct stripe_call){0};
	if (intent == NULL)
		return FAIL_NONE;
	TRY(db_row(operation->db, task, &statements[KNOWN],
	           PARAMETERS(param_digest(task, &intent->key), oldest_key(operation)), out,
	           found));
	if (*found && (out->request.length != SHA256_SIZE ||
	               memcmp(out->request.data, intent->request.bytes, SHA256_SIZE) != 0))
		return task_fail(task, FAIL_UNPROCESSABLE, "idempotency_key_reused",
		                 "This Idempotency-Key was used for another request.");
	return FAIL_NONE;
}

enum fail
stripe_call_find_begun(struct operation *operation, struct stripe_call *out, bool *begun)
{
	TRY(stripe_call_known(operation, out, begun));
	*begun = *begun && !text_equal(out->state, "failed");
	return FAIL_NONE;
}

enum fail
stripe_call_done(struct operation *operation, const struct stripe_call *call,
                 const struct stripe_answer *answer, const char *result_id)
{
	struct task *task = operation->task;

	return db_run(operation->db, task, &statements[DONE],
	              PARAMETERS(param_int(task, call->call_id), param_now(operation),
	                         answer->request_id, result_id,
	                         param_int(task, answer->attempts)),
	              NULL);
}

/* The error in the row: Stripe's code. */
static const char *
error_of(struct operation *operation, const struct stripe_answer *answer)
{
	if (answer->error_code != NULL)
		return answer->error_code;
	if (answer->error_type != NULL)
		return answer->error_type;
	if (answer->status == 0)
		return "no_answer";
	return arena_printf(operation->task->arena, "status_%d", answer->status);
}

static enum fail
tell_parked(struct operation *operation, const struct stripe_call *call, const char *error)
{
	const struct stripe_parked parked = {.kind = "call",
	                                     .id = arena_printf(operation->task->arena,
	                                                        "call:%lld",
	                                                        (long long)call->call_id),
	                                     .type = call->kind,
	                                     .subject = call->subject,
	                                     .customer_id = call->customer_id,
	                                     .error = error};

	return stripe_parked_tell(operation, &parked);
}

static enum fail
end_call(struct operation *operation, const struct stripe_call *call, const char *state,
         const char *error, const struct stripe_answer *answer)
{
	struct task *task = operation->task;
	bool parks = text_equal(state, "parked"), found;
	struct ended_call ended = {0};

	if (parks)
		TRY(db_begin(operation->db, task));
	TRY(db_row(operation->db, task, &statements[END],
	           PARAMETERS(param_int(task, call->call_id), state, error,
	                      param_now(operation),
	                      param_int(task, answer == NULL ? 0 : answer->attempts),
	                      answer == NULL ? NULL : answer->request_id,
	                      answer == NULL ? NULL : answer->error_param,
	                      answer == NULL ? NULL : answer->error_message),
	           &ended, &found));
	if (found && text_equal(ended.state, "parked"))
		TRY(tell_parked(operation, call, error));
	return parks ? db_commit(operation->db, task) : FAIL_NONE;
}

/* No client waits for the outcome of these. */
static bool
is_background(const struct stripe_call *call)
{
	return text_equal(call->kind, STRIPE_CUSTOMER_UPDATE) ||
	       text_equal(call->kind, STRIPE_CANCEL) || text_equal(call->kind, STRIPE_END) ||
	       text_equal(call->kind, STRIPE_CONTRACT);
}

bool
stripe_call_key_spent(const struct stripe_answer *answer)
{
	return answer->outcome == STRIPE_UNKNOWN && answer->replayed && answer->status >= 500;
}

enum fail
stripe_call_failed(struct operation *operation, const struct stripe_call *call,
                   const struct stripe_answer *answer)
{
	struct task *task = operation->task;
	const char *error = error_of(operation, answer);

	db_rollback_to(operation->db, 0);
	/* The client's key is free again too: its next request looks at what Stripe has. */
	if (stripe_call_key_spent(answer))
		TRY(db_run(
		        operation->db, task, &statements[RENEW],
		        PARAMETERS(param_int(task, call->call_id), stripe_call_key(operation)),
		        NULL));
	if (answer->outcome == STRIPE_REFUSED)
		TRY(end_call(operation, call, is_background(call) ? "parked" : "failed", error,
		             answer));
	else
		TRY(db_run(operation->db, task, &statements[RETRY],
		           PARAMETERS(param_int(task, call->call_id), param_now(operation),
		                      error, param_int(task, answer->attempts),
		                      answer->request_id),
		           NULL));
	return stripe_client_failure(task, answer);
}

enum fail
stripe_call_hold(struct operation *operation, const struct stripe_call *call)
{
	const char *call_id = param_int(operation->task, call->call_id);
	int64_t found;

	if (call->is_new)
		return FAIL_NONE;
	TRY(db_run(operation->db, operation->task, &statements[HOLD], PARAMETERS(call_id),
	           NULL));
	TRY(db_run(operation->db, operation->task, &statements[EXISTS], PARAMETERS(call_id),
	           &found));
	if (found > 0)
		return FAIL_NONE;
	return fail_in_progress(
	        operation->task, true,
	        "A request with this Idempotency-Key has just ended; try again.");
}

enum fail
stripe_call_drop(struct operation *operation, const struct stripe_call *call)
{
	return db_run(operation->db, operation->task, &statements[DROP],
	              PARAMETERS(param_int(operation->task, call->call_id)), NULL);
}

enum fail
stripe_call_take(struct operation *operation, struct stripe_call *out, bool *found)
{
	struct task *task = operation->task;
	const char *now = param_now(operation);
	struct due_call due;
	bool taken = false;

	/* Until it was locked, another process may have ended it. */
	do {
		TRY(db_row(operation->db, task, &statements[LOCK_DUE], PARAMETERS(now), &due,
		           found));
		if (*found)
			TRY(db_row(operation->db, task, &statements[TAKE],
			           PARAMETERS(now, param_int(task, due.call_id)), out, &taken));
	} while (*found && !taken);
	return FAIL_NONE;
}

enum fail
stripe_call_postpone(struct operation *operation, const struct stripe_call *call,
                     const char *error, bool counts)
{
	struct task *task = operation->task;
	int64_t delay_ms = counts ? stripe_retry_delay_ms(call->attempts, CALL_TRIES)
	                          : NOT_ITS_FAULT_S * SECOND_MS;

	if (delay_ms == 0)
		return stripe_call_end(operation, call, "parked", error);
	return db_run(operation->db, task, &statements[RETRY],
	              PARAMETERS(param_int(task, call->call_id), param_in(operation, delay_ms),
	                         error, counts ? "1" : "0", NULL),
	              NULL);
}

enum fail
stripe_call_end(struct operation *operation, const struct stripe_call *call, const char *state,
                const char *error)
{
	return end_call(operation, call, state, error, NULL);
}
