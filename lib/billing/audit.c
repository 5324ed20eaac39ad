/* audit.c: the audit trail. */
#include "billing/audit.h"

static const struct statement statements[] = {
        {"audit_record", .sql = "INSERT INTO audit_log (actor, action, customer_id, subject, "
                                "request_id, detail) VALUES ($1, $2, $3, $4, $5, $6)"},
};

const struct statement_list audit_statements = STATEMENT_LIST(statements);

enum fail
audit_record(struct operation *operation, const char *action, const char *customer_id,
             const char *subject, const char *detail)
{
	return db_run(operation->db, operation->task, &statements[0],
	              PARAMETERS(operation->actor, action, customer_id, subject,
	                         operation->task->request_id, detail),
	              NULL);
}
