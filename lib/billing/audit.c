/* audit.c: the audit trail. */
#include "billing/audit.h"

#include "base/text.h"

enum { RECORD, CHANGE, PAYMENT, PRUNE };

static const struct statement statements[] = {
        [RECORD] = {"audit_record",
                    .sql = "INSERT INTO audit_log (actor, action, customer_id, subject, "
                           "request_id, detail, value_before, value_after) "
                           "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"},
        [CHANGE] =
                {"audit_change",
                 .sql = "WITH counted AS (INSERT INTO audit_counts AS c (customer_id, day, "
                        "entries) VALUES ($11, date(timezone('UTC', $7::timestamptz)), 1) "
                        "ON CONFLICT (customer_id, day) DO UPDATE SET entries = c.entries + 1 "
                        "WHERE c.entries < $8::bigint RETURNING 1) "
                        "INSERT INTO audit_log (actor, action, customer_id, subject, "
                        "request_id, detail, value_before, value_after) "
                        "SELECT $1, $2, $3, $4, $5, $6, $9::jsonb, $10::jsonb FROM counted"},
        [PAYMENT] =
                {"audit_admit_payment",
                 .sql = "INSERT INTO audit_counts AS c (customer_id, day, entries, payments) "
                        "VALUES ($1, date(timezone('UTC', $2::timestamptz)), 0, 1) "
                        "ON CONFLICT (customer_id, day) DO UPDATE SET payments = c.payments + "
                        "1 "
                        "WHERE c.payments < $3::bigint"},
        [PRUNE] = {"audit_prune_counts",
                   .sql = "DELETE FROM audit_counts "
                          "WHERE day < date(timezone('UTC', $1::timestamptz))"},
};

const struct statement_list audit_statements = STATEMENT_LIST(statements);

enum fail
audit_record(struct operation *operation, const char *action, const char *customer_id,
             const char *subject, const char *detail)
{
	return audit_record_values(operation, action, customer_id, subject, detail, NULL, NULL);
}

enum fail
audit_record_values(struct operation *operation, const char *action, const char *customer_id,
                    const char *subject, const char *detail, const char *before,
                    const char *after)
{
	return db_run(operation->db, operation->task, &statements[RECORD],
	              PARAMETERS(operation->actor, action, customer_id, subject,
	                         operation->task->request_id, detail, before, after),
	              NULL);
}

bool
audit_is_customers(const struct operation *operation)
{
	return text_starts_with(operation->actor, "customer:");
}

enum fail
audit_change(struct operation *operation, const char *action, const char *customer_id,
             const char *subject, const char *detail)
{
	return audit_change_values(operation, action, customer_id, subject, detail, NULL, NULL);
}

enum fail
audit_change_values(struct operation *operation, const char *action, const char *customer_id,
                    const char *subject, const char *detail, const char *before,
                    const char *after)
{
	struct task *task = operation->task;
	int64_t written;

	if (!audit_is_customers(operation))
		return audit_record_values(operation, action, customer_id, subject, detail,
		                           before, after);
	TRY(db_run(operation->db, task, &statements[CHANGE],
	           PARAMETERS(operation->actor, action, customer_id, subject, task->request_id,
	                      detail, param_now(operation), param_int(task, AUDIT_DAY_MAX),
	                      before, after, customer_id),
	           &written));
	if (written > 0)
		return FAIL_NONE;
	return fail_until_tomorrow(
	        operation, "too_many_changes",
	        "The customer's keys made too many changes today; try again tomorrow.");
}

enum fail
audit_sign_in(struct operation *operation, const char *customer_id, const char *key_id,
              const char *session_id)
{
	static const char action[] = "session_open", detail[] = "by a key";
	struct task *task = operation->task;
	int64_t written;

	if (customer_id == NULL)
		return audit_record(operation, action, NULL, session_id, detail);
	TRY(db_run(operation->db, task, &statements[CHANGE],
	           PARAMETERS(operation->actor, action, customer_id, session_id,
	                      task->request_id, detail, param_now(operation),
	                      param_int(task, AUDIT_SIGN_INS_DAY_MAX), NULL, NULL, key_id),
	           &written));
	if (written > 0)
		return FAIL_NONE;
	return fail_until_tomorrow(operation, "too_many_changes",
	                           "The key opened too many sessions today; try again "
	                           "tomorrow, or use another key.");
}

enum fail
audit_admit_payment(struct operation *operation, const char *customer_id)
{
	struct task *task = operation->task;
	int64_t counted;

	if (!audit_is_customers(operation))
		return FAIL_NONE;
	TRY(db_run(operation->db, task, &statements[PAYMENT],
	           PARAMETERS(customer_id, param_now(operation),
	                      param_int(task, PAYMENTS_DAY_MAX)),
	           &counted));
	if (counted > 0)
		return FAIL_NONE;
	return fail_until_tomorrow(operation, "too_many_changes",
	                           "The customer's keys made too many payment requests today; "
	                           "try again tomorrow.");
}

enum fail
audit_prune_counts(struct operation *operation, int64_t *pruned)
{
	return db_run(operation->db, operation->task, &statements[PRUNE],
	              PARAMETERS(param_now(operation)), pruned);
}
