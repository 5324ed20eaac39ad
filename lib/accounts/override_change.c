/* override_change.c: an operator changes what one customer may use. */
#include "accounts/override_change.h"

#include <string.h>

#include "billing/audit.h"
#include "events/log.h"
#include "issuing/license_rights.h"

/* Checks the change, and writes it as the row to store. */
static enum fail
read_change(struct operation *operation, const struct override_change *change,
            struct override *out)
{
	const struct plans *plans = &operation->billing->plans;
	struct task *task = operation->task;

	*out = (struct override){.customer_id = change->customer_id,
	                         .expires_at = change->expires_at,
	                         .reason = change->reason,
	                         .set_by = operation->actor,
	                         .set_at = INSTANT_MS(operation->now_ms)};
	out->features =
	        entitlement_values_read(task, plans, VALUE_FEATURE, &change->features->object);
	out->limits =
	        entitlement_values_read(task, plans, VALUE_LIMIT, &change->limits->object);
	if (change->expires_at.known && change->expires_at.ms <= operation->now_ms)
		(void)task_fail_field(task, "expires_at", "must be in the future");
	return task->failure.kind;
}

static bool
is_empty(const struct override *row)
{
	return strcmp(row->features, "{}") == 0 && strcmp(row->limits, "{}") == 0;
}

/* Replaces the stored set, and computes what the customer may use then. */
static enum fail
replace(struct operation *operation, const struct override *row, struct override_outcome *out)
{
	struct license_view view = {0};

	out->present = !is_empty(row);
	out->overrides = *row;
	if (out->present)
		TRY(override_store(operation, row));
	else
		TRY(override_delete(operation, row->customer_id));
	TRY(subscription_touch(operation, row->customer_id));
	TRY(license_view_read(operation, NULL, row->customer_id, &view));
	entitlements_compute(operation->task->arena, operation->billing, &view.subscription,
	                     &view.terms, operation->now_ms, &out->entitlements);
	out->claims = license_preview(operation, &view);
	return FAIL_NONE;
}

/* The set for the audit trail, without the reason, which may name people. */
static const char *
audited(struct operation *operation, struct override row)
{
	row.reason = NULL;
	return override_write(operation->task->arena, &row, true);
}

/* Locks the customer and reads the set so far. */
static enum fail
begin(struct operation *operation, const char *customer_id, struct override *before,
      bool *found)
{
	bool deleted;
	struct customer customer;

	TRY(db_begin(operation->db, operation->task));
	TRY(customer_lock(operation, customer_id, &deleted));
	TRY(customer_find(operation, customer_id, &customer));
	return override_find(operation, customer_id, before, found);
}

enum fail
account_override(struct operation *operation, const struct override_change *change,
                 struct override_outcome *out)
{
	int depth = db_depth(operation->db);
	struct override row, before = {0};
	const char *was = NULL, *is = NULL;
	bool found;

	TRY(read_change(operation, change, &row));
	TRY(begin(operation, change->customer_id, &before, &found));
	TRY(replace(operation, &row, out));
	if (change->dry_run) {
		db_rollback_to(operation->db, depth);
		return FAIL_NONE;
	}
	if (found)
		was = audited(operation, before);
	if (out->present)
		is = audited(operation, row);
	TRY(license_revoke_excess(operation, change->customer_id));
	TRY(audit_record_values(operation, "override_set", change->customer_id, NULL, NULL, was,
	                        is));
	/* A set that is cleared is told as an empty one. */
	TRY(event_write(operation, EVENT_OVERRIDE_SET, change->customer_id,
	                audited(operation, row)));
	return db_commit(operation->db, operation->task);
}
