/*
 * locks.c: who waits for whom, and who is woken.
 */
#include "outbox/locks.h"

struct flag_row {
	bool is_so;
};

static const struct column flag_columns[] = {COLUMN(struct flag_row, is_so), COLUMN_END};

#define FLAG .columns = flag_columns, .row_size = sizeof(struct flag_row)

enum { LOCK, LOCK_CUSTOMER, WAKE };

static const struct statement statements[] = {
        [LOCK] = {.name = "stripe_lock",
                  .sql = "SELECT pg_advisory_xact_lock(hashtextextended('stripe:' || $1, 0))"},
        [LOCK_CUSTOMER] = {.name = "stripe_lock_customer",
                           FLAG,
                           .sql = "SELECT pg_try_advisory_xact_lock(hashtextextended("
                                  "'stripe-customer:' || $1, 0)) AS is_so"},
        [WAKE] = {.name = "stripe_jobs_wake", .sql = "SELECT pg_notify('stripe_jobs', '')"},
};

const struct statement_list stripe_lock_statements = {statements,
                                                      sizeof(statements) / sizeof(*statements)};

enum fail
stripe_lock(struct operation *operation, const char *object_id)
{
	return db_run(operation->db, operation->task, &statements[LOCK], PARAMETERS(object_id),
	              NULL);
}

enum fail
stripe_lock_customer(struct operation *operation, const char *customer_id)
{
	struct flag_row row = {0};
	bool found;

	TRY(db_row(operation->db, operation->task, &statements[LOCK_CUSTOMER],
	           PARAMETERS(customer_id), &row, &found));
	if (row.is_so)
		return FAIL_NONE;
	return task_fail(operation->task, FAIL_BUSY,
	                 operation->intent == NULL ? "operation_in_progress"
	                                           : "idempotency_in_progress",
	                 "This customer's subscription is being changed at this moment; try "
	                 "again.");
}

enum fail
stripe_jobs_wake(struct operation *operation)
{
	return db_run(operation->db, operation->task, &statements[WAKE], NO_PARAMETERS, NULL);
}

/* Whoever finds the flag down stored its work before the flag went up, and so before the look. */
enum fail
stripe_jobs_wake_once(struct operation *operation)
{
	atomic_bool *idle = operation->stripe_idle;

	if (idle != NULL && (!atomic_load(idle) || !atomic_exchange(idle, false)))
		return FAIL_NONE;
	return stripe_jobs_wake(operation);
}
