/* schema.c: every statement that this program may run. */
#include "accounts/schema.h"

#include "accounts/accounts.h"
#include "accounts/adopt.h"
#include "accounts/erasure.h"
#include "accounts/public_sign_ups.h"
#include "analytics/figures.h"
#include "analytics/revenue.h"
#include "analytics/revenue_check.h"
#include "analytics/usage.h"
#include "audit/refusals.h"
#include "audit/verify.h"
#include "billing/audit.h"
#include "billing/customer_keys.h"
#include "billing/customers.h"
#include "billing/host_plans.h"
#include "billing/plan_terms.h"
#include "billing/scheduled_plans.h"
#include "billing/subscriptions.h"
#include "callers/api_keys.h"
#include "callers/idempotency.h"
#include "callers/session_links.h"
#include "contracts/contracts.h"
#include "contracts/trials.h"
#include "counting/fold.h"
#include "counting/lost.h"
#include "db/migrations.h"
#include "db/role.h"
#include "db/server.h"
#include "entitlements/overrides.h"
#include "events/horizon.h"
#include "events/log.h"
#include "events/reader.h"
#include "events/reminders.h"
#include "events/retention.h"
#include "instances/instance_row.h"
#include "instances/retention.h"
#include "issuing/bound_licenses.h"
#include "issuing/key_revocation.h"
#include "issuing/key_use.h"
#include "issuing/license_records.h"
#include "issuing/license_reminders.h"
#include "issuing/license_revocation.h"
#include "issuing/license_rights.h"
#include "issuing/revocation_list.h"
#include "issuing/revocation_restore.h"
#include "issuing/signing_keys.h"
#include "limits/limits.h"
#include "limits/watch.h"
#include "meters/meters.h"
#include "meters/parked.h"
#include "notices/digest.h"
#include "notices/make.h"
#include "outbox/account.h"
#include "outbox/call_records.h"
#include "outbox/calls.h"
#include "outbox/locks.h"
#include "payments/invoices.h"
#include "payments/payment_events.h"
#include "payments/reversals.h"
#include "subscriptions/second_subscriptions.h"
#include "subscriptions/subscriptions.h"
#include "subscriptions/unknown_prices.h"
#include "sync/events.h"
#include "sync/price_plans.h"
#include "sync/sweep.h"
#include "usage/adopt.h"
#include "usage/batch.h"
#include "usage/corrections.h"
#include "usage/files.h"
#include "usage/history.h"
#include "usage/report.h"
#include "usage/retention.h"
#include "webhooks/deliveries.h"
#include "webhooks/endpoints.h"
#include "webhooks/known_keys.h"
#include "webhooks/queue.h"

/* clang-format off */
const struct statement_list *const billing_statements[] = {
	&account_statements,
	&public_sign_up_statements,
	&erasure_statements,
	&account_adopt_statements,
	&api_key_statements,
	&audit_chain_statements,
	&audit_statements,
	&contract_change_statements,
	&contract_end_statements,
	&contract_statements,
	&contract_trial_statements,
	&audit_refusal_statements,
	&audit_trail_statements,
	&audit_verify_statements,
	&customer_key_statements,
	&customer_statements,
	&event_horizon_statements,
	&event_log_statements,
	&event_key_statements,
	&reminder_statements,
	&license_reminder_statements,
	&event_reader_statements,
	&event_retention_statements,
	&idempotency_statements,
	&instance_statements,
	&instance_transfer_statements,
	&instance_retention_statements,
	&invoice_statements,
	&key_revocation_statements,
	&key_use_statements,
	&license_record_statements,
	&license_revocation_statements,
	&license_right_statements,
	&license_statements,
	&bound_license_statements,
	&revocation_list_statements,
	&revocation_restore_statements,
	&signing_key_statements,
	&meter_compare_statements,
	&plan_terms_statements,
	&host_plans_statements,
	&meter_day_statements,
	&meter_parked_statements,
	&meter_send_statements,
	&notice_digest_statements,
	&notice_record_statements,
	&notice_make_statements,
	&override_statements,
	&session_link_statements,
	&session_statements,
	&payment_event_statements,
	&price_plan_statements,
	&unknown_price_statements,
	&analytics_figure_statements,
	&analytics_usage_statements,
	&revenue_check_statements,
	&revenue_statements,
	&reversal_statements,
	&stripe_account_statements,
	&stripe_call_record_statements,
	&stripe_call_statements,
	&stripe_event_statements,
	&stripe_lock_statements,
	&second_subscription_statements,
	&subscription_sync_statements,
	&stripe_sweep_statements,
	&subscription_statements,
	&scheduled_plan_statements,
	&usage_adopt_statements,
	&usage_batch_statements,
	&usage_correction_statements,
	&usage_file_statements,
	&usage_fold_statements,
	&usage_history_statements,
	&usage_limit_statements,
	&usage_lost_statements,
	&usage_retention_statements,
	&usage_statements,
	&usage_watch_statements,
	&webhook_delivery_statements,
	&webhook_endpoint_statements,
	&webhook_key_statements,
	&webhook_queue_statements,
	&db_statements,
	&db_standby_statements,
	&db_ahead_statements,
	&migration_statements,
	&role_statements,
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
