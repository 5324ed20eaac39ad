/* locks.c: advisory locks, and the notification of the Stripe jobs. */
#include "outbox/locks.h"

#include "billing/audit.h"

enum { LOCK, LOCK_CUSTOMER, WAKE };

static const struct statement statements[] = {
        [LOCK] = {"stripe_lock",
                  .sql = "SELECT pg_advisory_xact_lock(hashtextextended('stripe:' || $1, 0))"},
        [LOCK_CUSTOMER] = {"stripe_lock_customer",
                           .sql = "SELECT WHERE pg_try_advisory_xact_lock(hashtextextended("
                                  "'stripe-customer:' || $1, 0))"},
        [WAKE] = {"stripe_jobs_wake", .sql = "SELECT pg_notify('stripe_jobs', '')"},
};

const struct statement_list stripe_lock_statements = STATEMENT_LIST(statements);

enum fail
stripe_lock(struct operation *operation, const char *object_id)
{
	return db_run(operation->db, operation->task, &statements[LOCK], PARAMETERS(object_id),
	              NULL);
}

enum fail
stripe_lock_customer(struct operation *operation, const char *customer_id)
{
	int64_t locked;

	TRY(db_run(operation->db, operation->task, &statements[LOCK_CUSTOMER],
	           PARAMETERS(customer_id), &locked));
	if (locked > 0)
		return FAIL_NONE;
	return fail_in_progress(operation->task, operation->intent != NULL,
	                        "This customer's subscription is being changed at this "
	                        "moment; try again.");
}

enum fail
stripe_jobs_wake(struct operation *operation)
{
	return db_run(operation->db, operation->task, &statements[WAKE], NO_PARAMETERS, NULL);
}

enum fail
stripe_jobs_make_due(struct operation *operation, const struct statement *statement,
                     struct parameters parameters, int64_t *count)
{
	TRY(db_begin(operation->db, operation->task));
	TRY(db_run(operation->db, operation->task, statement, parameters, count));
	TRY(stripe_jobs_wake(operation));
	return db_commit(operation->db, operation->task);
}

enum fail
stripe_retry_parked(struct operation *operation, const struct statement *statement,
                    struct parameters parameters, const char *subject, int64_t *count)
{
	struct task *task = operation->task;

	TRY(db_begin(operation->db, task));
	TRY(db_run(operation->db, task, statement, parameters, count));
	if (*count > 0)
		TRY(audit_record(operation, "stripe_retry", NULL, subject,
		                 param_int(task, *count)));
	TRY(stripe_jobs_wake(operation));
	return db_commit(operation->db, task);
}

/* While the flag is down, the Stripe jobs have yet to look, and will find the work stored
 * here. */
enum fail
stripe_jobs_wake_once(struct operation *operation)
{
	atomic_bool *idle = operation->stripe_idle;

	if (idle != NULL && (!atomic_load(idle) || !atomic_exchange(idle, false)))
		return FAIL_NONE;
	return stripe_jobs_wake(operation);
}
