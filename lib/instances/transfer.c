/* transfer.c: moves activations from one instance to another. */
#include "instances/instance_row.h"

#include "base/text.h"
#include "billing/audit.h"
#include "issuing/bound_licenses.h"
#include "issuing/license_revocation.h"

/* `instance` is the other one; its id is NULL when nothing was moved. */
struct transfer {
	bool is_new; /* nothing else writes the event of the other one */
	bool in_use;
	bool is_taken;            /* the other one was activated itself */
	bool is_done;             /* by an earlier request */
	struct instant was_until; /* of the lease */
	struct instance instance;
};

extern const char instances_transfer_sql[]; /* transfer.sql */

enum { TRANSFER, FIND, MOVE };

static const struct statement statements[] = {
        [TRANSFER] = {"instance_transfer",
                      ROWS_WITH(struct transfer, is_new, in_use, is_taken, is_done, was_until,
                                INSTANCE_MEMBERS),
                      .sql = instances_transfer_sql},
        [FIND] = {"instance_find", INSTANCE_ROW,
                  .sql = "SELECT " INSTANCE_COLUMNS " FROM instances "
                         "WHERE customer_id = $1 AND instance_id = $2 FOR NO KEY UPDATE"},
        [MOVE] = {"instance_move",
                  .sql = "INSERT INTO instance_moves AS m (customer_id, month, moves) "
                         "VALUES ($1, date_trunc('month', timezone('UTC', "
                         "  $2::timestamptz))::date, 1) "
                         "ON CONFLICT (customer_id) DO UPDATE SET month = EXCLUDED.month, "
                         "moves = CASE WHEN m.month = EXCLUDED.month THEN m.moves ELSE 0 END "
                         "  + 1 "
                         "WHERE m.month <> EXCLUDED.month OR m.moves < $3::bigint"},
};

const struct statement_list instance_transfer_statements = STATEMENT_LIST(statements);

enum fail
instance_count_move(struct operation *operation, const char *customer_id,
                    const struct plan_usage *usage)
{
	struct task *task = operation->task;
	int64_t most = usage->max_instances > INSTANCE_MOVES_MAX ? usage->max_instances
	                                                         : INSTANCE_MOVES_MAX;
	int64_t counted;

	if (usage->max_instances == LICENSE_UNLIMITED || !audit_is_customers(operation))
		return FAIL_NONE;
	TRY(db_run(operation->db, task, &statements[MOVE],
	           PARAMETERS(customer_id, param_now(operation), param_int(task, most)),
	           &counted));
	if (counted > 0)
		return FAIL_NONE;
	return task_fail(
	        task, FAIL_CONFLICT, "move_limit",
	        "Activations were moved, or kinds changed, %lld times this month. Your "
	        "vendor can do more.",
	        (long long)most);
}

enum fail
instance_find(struct operation *operation, const char *customer_id, const char *instance_id,
              struct instance *out, bool *found)
{
	return db_row(operation->db, operation->task, &statements[FIND],
	              PARAMETERS(customer_id, instance_id), out, found);
}

/* The instance before its activation was moved. */
static const char *
audited_before(struct operation *operation, const struct instance *released,
               struct instant was_until)
{
	struct instance before = *released;

	before.lease_expires_at = was_until;
	before.released_at = INSTANT_NONE;
	return instance_audited(operation, &before);
}

/* Refuses what cannot be moved. */
static enum fail
check(struct task *task, bool found, const struct transfer *transfer)
{
	if (!found)
		return task_fail(task, FAIL_NOT_FOUND, "instance_not_found",
		                 "The customer has no such instance.");
	if (!transfer->in_use)
		return task_fail(task, FAIL_CONFLICT, "instance_not_in_use",
		                 "The instance is not in use, so there is nothing to move.");
	if (transfer->is_taken)
		return task_fail(task, FAIL_CONFLICT, "instance_in_use",
		                 "The other instance is activated already.");
	return FAIL_NONE;
}

enum fail
instance_transfer(struct operation *operation, const char *customer_id, const char *from,
                  const char *to, struct instance *out)
{
	struct task *task = operation->task;
	struct transfer transfer = {0};
	const struct plan_usage *usage = NULL;
	struct instance was = {0};
	int64_t revoked = 0;
	bool found;

	TRY(db_begin(operation->db, task));
	TRY(instance_lock(operation, customer_id, &usage));
	TRY(db_row(operation->db, task, &statements[TRANSFER],
	           PARAMETERS(customer_id, from, to, param_now(operation)), &transfer, &found));
	if (found && transfer.is_done) {
		TRY(instance_find(operation, customer_id, to, out, &found));
		return db_commit(operation->db, task);
	}
	TRY(check(task, found, &transfer));
	TRY(instance_count_move(operation, customer_id, usage));
	TRY(bound_license_revoke(operation, customer_id, from, "instance_transferred",
	                         &revoked));
	if (revoked > 0)
		TRY(license_record_revocation(operation, customer_id, "instance_transferred"));
	TRY(instance_find(operation, customer_id, from, &was, &found));
	TRY(instance_event(operation, EVENT_INSTANCE_RELEASED, customer_id, &was));
	if (transfer.is_new)
		TRY(instance_event(operation, EVENT_INSTANCE_ACTIVATED, customer_id,
		                   &transfer.instance));
	TRY(audit_change_values(operation, "instance_transfer", customer_id, from, to,
	                        audited_before(operation, &was, transfer.was_until),
	                        instance_audited(operation, &was)));
	*out = transfer.instance;
	return db_commit(operation->db, task);
}
