/*
 * schema.c: every statement that this program may run.
 */
#include "billing/schema.h"

#include "billing/accounts.h"
#include "billing/api_keys.h"
#include "billing/audit.h"
#include "billing/customers.h"
#include "billing/idempotency.h"
#include "billing/instances.h"
#include "billing/invoices.h"
#include "billing/key_use.h"
#include "billing/license_records.h"
#include "billing/meter_parked.h"
#include "billing/meters.h"
#include "billing/stripe_call_records.h"
#include "billing/stripe_calls.h"
#include "billing/stripe_events.h"
#include "billing/stripe_locks.h"
#include "billing/stripe_mirror.h"
#include "billing/stripe_sweep.h"
#include "billing/subscriptions.h"
#include "billing/usage.h"
#include "billing/usage_batch.h"
#include "billing/usage_corrections.h"
#include "billing/usage_files.h"
#include "billing/usage_history.h"
#include "billing/usage_limits.h"
#include "billing/usage_retention.h"
#include "db/migrations.h"
#include "db/server.h"

/* clang-format off */
const struct statement_list *const billing_statements[] = {
	&account_statements,
	&api_key_statements,
	&audit_statements,
	&customer_statements,
	&idempotency_statements,
	&instance_statements,
	&invoice_statements,
	&key_use_statements,
	&license_record_statements,
	&license_statements,
	&meter_compare_statements,
	&meter_parked_statements,
	&meter_statements,
	&stripe_call_record_statements,
	&stripe_call_statements,
	&stripe_event_statements,
	&stripe_lock_statements,
	&stripe_mirror_statements,
	&stripe_sweep_statements,
	&subscription_statements,
	&usage_batch_statements,
	&usage_correction_statements,
	&usage_file_statements,
	&usage_history_statements,
	&usage_limit_statements,
	&usage_retention_statements,
	&usage_statements,
	&db_statements,
	&migration_statements,
	&server_statements,
	NULL,
};
/* clang-format on */

enum fail
schema_check(struct db *db, struct task *task)
{
	for (const struct statement_list *const *list = billing_statements; *list != NULL;
	     list++)
		for (size_t i = 0; i < (*list)->count; i++)
			TRY(db_check_statement(db, task, &(*list)->items[i]));
	return FAIL_NONE;
}
