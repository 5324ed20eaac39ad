/* license_revocation.c: revokes all licences of a customer, and tells of it. */
#include "issuing/license_revocation.h"

#include "billing/audit.h"
#include "events/log.h"

enum { RECORDED_MAX = 50 };

enum { REVOKE_ALL, REVOKED, FORGET };

static const struct statement statements[] = {
        [REVOKE_ALL] = {"license_revoke_all",
                        .sql = "UPDATE licenses SET revoked_at = $2, revoke_reason = $3, token "
                               "= NULL "
                               "WHERE customer_id = $1 AND revoked_at IS NULL "
                               "AND (expires_at > $4 OR token IS NOT NULL)"},
        [REVOKED] = {"license_revoked",
                     ROWS_WITH(struct license_revocation, count, before, after, told),
                     .sql = "SELECT COALESCE(max(total), 0) AS count, "
                            "jsonb_build_object('count', max(total), 'licenses', "
                            "  jsonb_agg(kept || '{\"revoked_at\": null, \"revoke_reason\": "
                            "    null}' ORDER BY license_id DESC))::text AS before, "
                            "jsonb_build_object('count', max(total), 'licenses', "
                            "  jsonb_agg(kept ORDER BY license_id DESC))::text AS after, "
                            "jsonb_build_object('count', max(total), 'licenses', "
                            "  jsonb_agg(present ORDER BY license_id DESC))::text AS told "
                            "FROM (SELECT license_id, total, present, "
                            "  CASE WHEN revoke_reason_is_own(revoke_reason) THEN present "
                            "  ELSE present - 'revoke_reason' END AS kept "
                            "  FROM (SELECT license_id, revoke_reason, "
                            "    count(*) OVER () AS total, "
                            "    revoked_license_shown(l) AS present FROM licenses l "
                            "    WHERE customer_id = $1 AND revoked_at = $2 "
                            "    ORDER BY license_id DESC LIMIT $3::bigint) s) l"},
        [FORGET] = {"license_reasons_forget",
                    .sql = "UPDATE licenses SET revoke_reason = 'erased' "
                           "WHERE customer_id = $1 "
                           "AND NOT revoke_reason_is_own(revoke_reason)"},
};

const struct statement_list license_revocation_statements = STATEMENT_LIST(statements);

enum fail
license_revoke_all(struct operation *operation, const char *customer_id, const char *reason,
                   int64_t *revoked)
{
	struct task *task = operation->task;
	/* Verifiers allow for a late clock: what they still accept is revoked too. */
	int64_t ended_ms = operation->now_ms - LICENSE_LEEWAY_SECONDS * SECOND_MS;

	return db_run(operation->db, task, &statements[REVOKE_ALL],
	              PARAMETERS(customer_id, param_now(operation), reason,
	                         param_time(task, INSTANT_MS(ended_ms))),
	              revoked);
}

enum fail
license_revocation_find(struct operation *operation, const char *customer_id,
                        struct license_revocation *out)
{
	struct task *task = operation->task;
	bool found;

	return db_row(
	        operation->db, task, &statements[REVOKED],
	        PARAMETERS(customer_id, param_now(operation), param_int(task, RECORDED_MAX)),
	        out, &found);
}

/* One event about all of them: of a customer that fetches one every day, hundreds may be live. */
static enum fail
write_revoked(struct operation *operation, const char *customer_id,
              const struct license_revocation *revoked)
{
	return revoked->count == 0 ? FAIL_NONE
	                           : event_write(operation, EVENT_LICENSE_REVOKED, customer_id,
	                                         revoked->told);
}

enum fail
license_record_revocation(struct operation *operation, const char *customer_id,
                          const char *detail)
{
	struct license_revocation revoked = {0};

	TRY(license_revocation_find(operation, customer_id, &revoked));
	TRY(write_revoked(operation, customer_id, &revoked));
	return audit_record_values(operation, "license_revoke", customer_id, NULL, detail,
	                           revoked.before, revoked.after);
}

enum fail
license_tell_revocation(struct operation *operation, const char *customer_id)
{
	struct license_revocation revoked = {0};

	TRY(license_revocation_find(operation, customer_id, &revoked));
	return write_revoked(operation, customer_id, &revoked);
}

enum fail
license_reasons_forget(struct operation *operation, const char *customer_id)
{
	return db_run(operation->db, operation->task, &statements[FORGET],
	              PARAMETERS(customer_id), NULL);
}
