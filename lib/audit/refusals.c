/* refusals.c: records uses of operators' keys that were refused. */
#include "audit/refusals.h"

enum { REFUSAL };

static const struct statement statements[] = {
        /* A day that is full only reads. */
        [REFUSAL] =
                {"audit_refusal",
                 .sql = "WITH counted AS (INSERT INTO audit_counts AS c (customer_id, day, "
                        "entries) SELECT '', date(timezone('UTC', $6::timestamptz)), 1 "
                        "WHERE NOT EXISTS (SELECT FROM audit_counts WHERE customer_id = '' "
                        "AND day = date(timezone('UTC', $6::timestamptz)) "
                        "AND entries >= $7::bigint) "
                        "ON CONFLICT (customer_id, day) DO UPDATE SET entries = c.entries + 1 "
                        "WHERE c.entries < $7::bigint RETURNING 1) "
                        "INSERT INTO audit_log (actor, action, customer_id, subject, "
                        "request_id, detail) "
                        "SELECT $1, 'operator_refused', $2, $3, $4, $5 FROM counted"},
};

const struct statement_list audit_refusal_statements = STATEMENT_LIST(statements);

enum fail
audit_refusal(struct operation *operation, const char *customer_id, const char *subject,
              const char *detail)
{
	struct task *task = operation->task;

	return db_run(operation->db, task, &statements[REFUSAL],
	              PARAMETERS(operation->actor, customer_id, subject, task->request_id,
	                         detail, param_now(operation),
	                         param_int(task, AUDIT_REFUSALS_DAY_MAX)),
	              NULL);
}
