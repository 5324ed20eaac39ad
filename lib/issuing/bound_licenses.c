/* bound_licenses.c: records which licences are bound to an instance, and revokes them. */
#include "issuing/bound_licenses.h"

enum { FIND, LIST, RECORD, REVOKE };

static const struct statement statements[] = {
        [FIND] = {"bound_license_find",
                  ROWS_WITH(struct bound_license, jti, instance_id, token, expires_at, revoked),
                  .sql = "SELECT r.jti, r.instance_id, l.token, l.expires_at, "
                         "l.revoked_at IS NOT NULL AS revoked "
                         "FROM license_requests r JOIN licenses l ON l.jti = r.jti "
                         "WHERE r.customer_id = $1 AND r.nonce = $2"},
        [LIST] = {"answered_request_list",
                  ROWS_WITH(struct answered_request, nonce, instance_id, jti, answered_at),
                  .sql = "SELECT nonce, instance_id, jti, answered_at FROM license_requests "
                         "WHERE customer_id = $1 ORDER BY answered_at DESC, nonce "
                         "LIMIT $2::bigint"},
        [RECORD] = {"bound_license_record",
                    .sql = "INSERT INTO license_requests (customer_id, nonce, instance_id, "
                           "jti, answered_at) VALUES ($1, $2, $3, $4, $5)"},
        /* An expired licence too while its token is kept, as in license_revoke_all(). */
        [REVOKE] = {"bound_license_revoke",
                    .sql = "UPDATE licenses SET revoked_at = $3, revoke_reason = $4, "
                           "token = NULL WHERE revoked_at IS NULL "
                           "AND (expires_at > $5 OR token IS NOT NULL) "
                           "AND jti IN (SELECT jti FROM license_requests "
                           "  WHERE customer_id = $1 AND instance_id = $2)"},
};

const struct statement_list bound_license_statements = STATEMENT_LIST(statements);

enum fail
bound_license_find(struct operation *operation, const char *customer_id, const char *nonce,
                   struct bound_license *out)
{
	bool found;

	*out = (struct bound_license){0};
	return db_row(operation->db, operation->task, &statements[FIND],
	              PARAMETERS(customer_id, nonce), out, &found);
}

enum fail
answered_request_list(struct operation *operation, const char *customer_id, int64_t limit,
                      const struct answered_request **out, size_t *count)
{
	return db_rows(operation->db, operation->task, &statements[LIST],
	               PARAMETERS(customer_id, param_int(operation->task, limit)), (void *)out,
	               count);
}

enum fail
bound_license_record(struct operation *operation, const char *customer_id, const char *nonce,
                     const struct issued_license *license)
{
	return db_run(operation->db, operation->task, &statements[RECORD],
	              PARAMETERS(customer_id, nonce, license->instance_id, license->jti,
	                         param_now(operation)),
	              NULL);
}

enum fail
bound_license_revoke(struct operation *operation, const char *customer_id,
                     const char *instance_id, const char *reason, int64_t *revoked)
{
	const char *ended = param_in(operation, -LICENSE_LEEWAY_SECONDS * SECOND_MS);

	return db_run(operation->db, operation->task, &statements[REVOKE],
	              PARAMETERS(customer_id, instance_id, param_now(operation), reason, ended),
	              revoked);
}
