/* erasure.c: takes personal data out of the events of deleted customers, and out of what receivers of
 * webhooks answered to them. A customer may have millions of events, and a request has seconds. */
#include "accounts/erasure.h"

#include "events/log.h"
#include "webhooks/deliveries.h"

/* A row of customer_erasures. */
struct erasure {
	const char *customer_id;
	struct event_span span;
};

enum { BEGIN, NEXT, MOVE, END };

#define SPAN_COLUMNS                                                                           \
	"customer_id, position AS \"span.after.position\", number AS \"span.after.number\", "  \
	"until_position AS \"span.until.position\", until_number AS \"span.until.number\" "
#define ROW                                                                                    \
	ROWS_WITH(struct erasure, customer_id, span.after.position, span.after.number,         \
	          span.until.position, span.until.number)

static const struct statement statements[] = {
        [BEGIN] = {"erasure_begin", ROW,
                   .sql = "INSERT INTO customer_erasures AS e (customer_id, position, number, "
                          "until_position, until_number) SELECT $1, -1, -1, position, number "
                          "FROM events WHERE customer_id = $1 "
                          "ORDER BY position DESC, number DESC LIMIT 1 "
                          "RETURNING " SPAN_COLUMNS},
        /* An erasure that fails, or ends with its process, is due again later, behind the others. */
        [NEXT] = {"erasure_next", ROW,
                  .sql = "UPDATE customer_erasures SET try_at = $1::timestamptz + interval '1 "
                         "minute' "
                         "WHERE customer_id = (SELECT customer_id FROM customer_erasures "
                         "  WHERE try_at <= $1::timestamptz ORDER BY try_at, customer_id LIMIT "
                         "1 "
                         "  FOR UPDATE SKIP LOCKED) RETURNING " SPAN_COLUMNS},
        [MOVE] = {"erasure_move",
                  .sql = "UPDATE customer_erasures SET position = $2, number = $3, try_at = $4 "
                         "WHERE customer_id = $1"},
        [END] = {"erasure_end", .sql = "DELETE FROM customer_erasures WHERE customer_id = $1"},
};

const struct statement_list erasure_statements = STATEMENT_LIST(statements);

/* Erases the next events, and moves or deletes the row. */
static enum fail
erase(struct operation *operation, const struct erasure *erasure, int64_t *events)
{
	struct task *task = operation->task;
	const char *customer_id = erasure->customer_id;
	struct event_span done = erasure->span;

	TRY(events_forget(operation, customer_id, ERASURE_EVENTS, &done, events));
	TRY(webhook_answers_forget(operation, customer_id, &done));
	if (*events < ERASURE_EVENTS)
		return db_run(operation->db, task, &statements[END], PARAMETERS(customer_id),
		              NULL);
	return db_run(operation->db, task, &statements[MOVE],
	              PARAMETERS(customer_id, param_int(task, done.until.position),
	                         param_int(task, done.until.number), param_now(operation)),
	              NULL);
}

enum fail
account_erase_begin(struct operation *operation, const char *customer_id)
{
	struct erasure erasure;
	int64_t events;
	bool found;

	TRY(db_row(operation->db, operation->task, &statements[BEGIN], PARAMETERS(customer_id),
	           &erasure, &found));
	return found ? erase(operation, &erasure, &events) : FAIL_NONE;
}

enum fail
account_erase_run(struct operation *operation, int64_t *erased)
{
	struct erasure erasure;
	bool found;

	*erased = 0;
	TRY(db_row(operation->db, operation->task, &statements[NEXT],
	           PARAMETERS(param_now(operation)), &erasure, &found));
	if (!found)
		return FAIL_NONE;
	TRY(db_begin(operation->db, operation->task));
	TRY(erase(operation, &erasure, erased));
	return db_commit(operation->db, operation->task);
}
