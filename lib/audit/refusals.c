/* refusals.c: records uses of operators' keys that were refused. */
#include "audit/refusals.h"

enum { REFUSAL };

static const struct statement statements[] = {
        /* A day that is full only reads. */
        [REFUSAL] =
                {"audit_refusal",
                 .sql = "WITH counted AS (INSERT INTO audit_counts AS c (customer_id, day, "
                        "entries) SELECT $8::text, date(timezone('UTC', $6::timestamptz)), 1 "
                        "WHERE NOT EXISTS (SELECT FROM audit_counts WHERE customer_id = "
                        "$8::text "
                        "AND day = date(timezone('UTC', $6::timestamptz)) "
                        "AND entries >= $7::bigint) "
                        "ON CONFLICT (customer_id, day) DO UPDATE SET entries = c.entries + 1 "
                        "WHERE c.entries < $7::bigint RETURNING entries) "
                        "INSERT INTO audit_log (actor, action, customer_id, subject, "
                        "request_id, detail) "
                        "SELECT $1, 'operator_refused', $2, $3, $4, CASE WHEN "
                        "entries < $7::bigint THEN $5 ELSE concat($5::text, '; the last "
                        "that is recorded today of ', CASE $8::text WHEN '' THEN "
                        "'unknown keys' ELSE 'this key' END) END FROM counted"},
};

const struct statement_list audit_refusal_statements = STATEMENT_LIST(statements);

enum fail
audit_refusal(struct operation *operation, const char *key_id, const char *customer_id,
              const char *subject, const char *detail, bool *recorded)
{
	struct task *task = operation->task;
	int64_t entries;

	TRY(db_run(operation->db, task, &statements[REFUSAL],
	           PARAMETERS(operation->actor, customer_id, subject, task->request_id, detail,
	                      param_now(operation), param_int(task, AUDIT_REFUSALS_DAY_MAX),
	                      key_id == NULL ? "" : key_id),
	           &entries));
	*recorded = entries > 0;
	return FAIL_NONE;
}
