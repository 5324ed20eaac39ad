/* overrides.c: the stored overrides, and the rows with which entitlements are computed. */
#include "entitlements/overrides.h"

#include "json/out.h"

extern const char entitlements_entitlement_basis_sql[]; /* entitlement_basis.sql */

enum { BASIS, FIND, STORE, DELETE };

static const struct statement statements[] = {
        [BASIS] = {"entitlement_basis",
                   ROWS_WITH(struct entitlement_basis, customer_id, deleted,
                             subscription.stripe_subscription_id, subscription.plan,
                             subscription.status, subscription.trial_ends_at,
                             subscription.current_period_ends_at, subscription.past_due_since,
                             subscription.cancel_at_period_end, subscription.cancel_at,
                             subscription.pause_resumes_at, subscription.pause_ends_access_at,
                             subscription.hold_reason, subscription.hold_ends_access_at,
                             subscription.price_ends_access_at, subscription.bought_at,
                             subscription.quantity, subscription.addons,
                             subscription.contract_id, subscription.starts_at,
                             subscription.ends_at, terms.contract, terms.overrides),
                   .sql = entitlements_entitlement_basis_sql},
        [FIND] = {"override_find",
                  ROWS_WITH(struct override, customer_id, features, limits, expires_at, reason,
                            set_by, set_at),
                  .sql = "SELECT customer_id, features::text AS features, "
                         "limits::text AS limits, expires_at, reason, set_by, set_at "
                         "FROM overrides WHERE customer_id = $1"},
        [STORE] = {"override_store",
                   .sql = "INSERT INTO overrides (customer_id, features, limits, expires_at, "
                          "reason, set_by, set_at) VALUES ($1, $2, $3, $4, $5, $6, $7) "
                          "ON CONFLICT (customer_id) DO UPDATE SET "
                          "features = EXCLUDED.features, limits = EXCLUDED.limits, "
                          "expires_at = EXCLUDED.expires_at, reason = EXCLUDED.reason, "
                          "set_by = EXCLUDED.set_by, set_at = EXCLUDED.set_at"},
        [DELETE] = {"override_delete", .sql = "DELETE FROM overrides WHERE customer_id = $1"},
};

const struct statement_list override_statements = STATEMENT_LIST(statements);

enum fail
entitlement_basis_find(struct operation *operation, const char *customer_id,
                       struct entitlement_basis *out, bool *found)
{
	TRY(db_row(operation->db, operation->task, &statements[BASIS],
	           PARAMETERS(customer_id, param_now(operation)), out, found));
	if (*found)
		entitlement_terms_unpack(operation->task->arena, &out->terms);
	return FAIL_NONE;
}

enum fail
entitlement_basis_read(struct operation *operation, const char *customer_id,
                       struct entitlement_basis *out)
{
	bool found;

	TRY(entitlement_basis_find(operation, customer_id, out, &found));
	return found && !out->deleted ? FAIL_NONE : fail_customer_not_found(operation->task);
}

enum fail
override_find(struct operation *operation, const char *customer_id, struct override *out,
              bool *found)
{
	return db_row(operation->db, operation->task, &statements[FIND],
	              PARAMETERS(customer_id), out, found);
}

enum fail
override_store(struct operation *operation, const struct override *row)
{
	struct task *task = operation->task;

	return db_run(operation->db, task, &statements[STORE],
	              PARAMETERS(row->customer_id, row->features, row->limits,
	                         param_time(task, row->expires_at), row->reason, row->set_by,
	                         param_time(task, row->set_at)),
	              NULL);
}

enum fail
override_delete(struct operation *operation, const char *customer_id)
{
	return db_run(operation->db, operation->task, &statements[DELETE],
	              PARAMETERS(customer_id), NULL);
}

const char *
override_write(struct arena *arena, const struct override *row, bool for_operators)
{
	struct json_out json = json_out_new(arena, 512);

	json_out_open(&json, NULL, '{');
	json_out_raw(&json, "features", row->features);
	json_out_raw(&json, "limits", row->limits);
	json_out_time(&json, "expires_at", row->expires_at);
	json_out_string(&json, "reason", row->reason);
	if (for_operators)
		json_out_string(&json, "set_by", row->set_by);
	json_out_time(&json, "set_at", row->set_at);
	json_out_close(&json, '}');
	return json.text.data;
}
