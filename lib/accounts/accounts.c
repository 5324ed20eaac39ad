/* accounts.c: sign-up, change, deletion and revocation of a whole customer, each all or
 * nothing. */
#include "accounts/accounts.h"

#include "accounts/erasure.h"
#include "accounts/public_sign_ups.h"
#include "base/arena.h"
#include "base/random.h"
#include "billing/audit.h"
#include "billing/render.h"
#include "callers/sessions.h"
#include "contracts/contracts.h"
#include "entitlements/overrides.h"
#include "events/log.h"
#include "issuing/license_records.h"
#include "issuing/license_revocation.h"
#include "notices/records.h"
#include "outbox/call_records.h"
#include "outbox/enqueue.h"
#include "sync/events.h"

/* The result of the statement of a sign-up: what it created. */
struct outcome {
	bool created;
	bool trial;
	int64_t events;
};

extern const char accounts_sign_up_sql[]; /* sign_up.sql */

enum { SIGN_UP, ANONYMISE };

static const struct statement statements[] = {
        [SIGN_UP] = {"account_sign_up", ROWS_WITH(struct outcome, created, trial, events),
                     .sql = accounts_sign_up_sql},
        [ANONYMISE] = {"account_anonymise",
                       .sql = "UPDATE customers SET email = NULL, company_name = NULL, "
                              "deleted_at = $2, updated_at = $2 "
                              "WHERE customer_id = $1 AND deleted_at IS NULL"},
};

const struct statement_list account_statements = STATEMENT_LIST(statements);

/* Fills in the rows of a sign-up before they are stored. */
static void
prepare(struct operation *operation, const char *email, const char *company_name,
        struct sign_up *out, struct subscription *subscription)
{
	struct instant now = INSTANT_MS(operation->now_ms);
	const struct plans *plans = &operation->billing->plans;

	out->customer = (struct customer){
	        .customer_id = random_id(operation->task->arena, "cust_", 16),
	        .email = email,
	        .company_name = company_name,
	        .notices = true,
	        .created_at = now,
	        .updated_at = now,
	};
	*subscription = (struct subscription){
	        .customer_id = out->customer.customer_id,
	        .plan = plans->trial_plan,
	        .status = "trialing",
	        .trial_ends_at = INSTANT_MS(now.ms + plans->trial_days * DAY_MS),
	        .quantity = 1,
	        .addons = "{}",
	        .created_at = now,
	        .updated_at = now,
	        .version = 1,
	};
	api_key_make(operation, out->customer.customer_id, "customer", "sign-up", SCOPE_ALL,
	             &out->key);
}

/* Signs the licence. A public sign-up is judged before, and counted after. */
static enum fail
sign(struct operation *operation, const char *email_key, const struct sign_up *made,
     const struct subscription *subscription, struct issued_license *out)
{
	if (made->is_public)
		TRY(public_sign_up_judge(operation, email_key));
	if (operation->before_signing != NULL)
		TRY(operation->before_signing(operation->signing_context));
	TRY(license_mint(operation, &made->customer, subscription,
	                 &(struct entitlement_terms){0}, INSTANT_NONE, "sign_up", out));
	return made->is_public ? public_sign_up_count(operation) : FAIL_NONE;
}

enum fail
account_sign_up(struct operation *operation, const char *email, const char *company_name,
                struct sign_up *out)
{
	struct task *task = operation->task;
	struct subscription *subscription = arena_alloc(task->arena, sizeof(*subscription));
	struct issued_license *license = arena_alloc(task->arena, sizeof(*license));
	const struct api_key *key = &out->key.key;
	struct customer_keys keys;
	struct outcome outcome;
	bool found;

	TRY(customer_keys_read(task, email, company_name, &keys));
	prepare(operation, email, company_name, out, subscription);
	TRY(sign(operation, keys.address.key, out, subscription, license));
	TRY(db_row(operation->db, task, &statements[SIGN_UP],
	           PARAMETERS(out->customer.customer_id, email, company_name,
	                      param_time(task, out->customer.created_at), subscription->plan,
	                      param_time(task, subscription->trial_ends_at), license->jti,
	                      license->kid, param_bytes(task, license->fingerprint),
	                      license->token, param_time(task, license->expires_at),
	                      key->key_id, key->name, param_bytes(task, key->digest),
	                      key->prefix, param_list(task, &key->scopes), operation->actor,
	                      task->request_id, keys.address.key, keys.company,
	                      param_digest(task, &keys.address.trial),
	                      param_digest(task, &keys.address.skeleton),
	                      param_bool(keys.address.plain), api_key_param_file(task, key),
	                      license->grants, customer_text(task->arena, &out->customer),
	                      subscription_text(operation, subscription),
	                      license_row_text(task->arena, license),
	                      api_key_text(task->arena, key)),
	           &outcome, &found));
	if (!outcome.created)
		return fail_customer_exists(task);
	out->subscription = outcome.trial ? subscription : NULL;
	out->license = outcome.trial ? license : NULL;
	return FAIL_NONE;
}

static enum fail
tell_deletion(struct operation *operation, const struct customer *customer)
{
	struct customer left = *customer;

	left.email = left.company_name = left.pending_email = NULL;
	left.updated_at = INSTANT_MS(operation->now_ms);
	return event_write(operation, EVENT_CUSTOMER_DELETED, customer->customer_id,
	                   customer_text(operation->task->arena, &left));
}

enum fail
account_delete(struct operation *operation, const char *customer_id)
{
	struct task *task = operation->task;
	struct customer customer;
	int64_t changed;

	TRY(db_begin(operation->db, task));
	TRY(customer_find(operation, customer_id, &customer));
	TRY(db_run(operation->db, task, &statements[ANONYMISE],
	           PARAMETERS(customer_id, param_now(operation)), &changed));
	if (changed == 0)
		return fail_customer_not_found(task);
	TRY(stripe_cancel_enqueue_all(operation, customer_id));
	TRY(stripe_call_forget(operation, customer_id));
	TRY(contract_forget(operation, customer_id));
	TRY(stripe_event_forget(operation, customer_id));
	TRY(stripe_checkout_close_enqueue(operation, customer_id, customer.stripe_customer_id));
	TRY(subscription_cancel(operation, customer_id));
	TRY(license_revoke_all(operation, customer_id, "customer_deleted", NULL));
	TRY(license_tell_revocation(operation, customer_id));
	TRY(license_reasons_forget(operation, customer_id));
	TRY(api_key_revoke_all(operation, customer_id));
	TRY(session_forget(operation, customer_id));
	TRY(override_delete(operation, customer_id));
	TRY(account_erase_begin(operation, customer_id));
	TRY(notice_forget(operation, customer_id));
	TRY(tell_deletion(operation, &customer));
	TRY(audit_record(operation, "customer_delete", customer_id, NULL, NULL));
	return db_commit(operation->db, task);
}

enum fail
account_revoke_licenses(struct operation *operation, const char *customer_id,
                        const char *reason)
{
	struct customer customer;
	bool deleted;

	TRY(db_begin(operation->db, operation->task));
	TRY(customer_lock(operation, customer_id, &deleted));
	TRY(customer_find(operation, customer_id, &customer));
	TRY(stripe_cancel_enqueue_all(operation, customer_id));
	TRY(contract_bill_ends(operation, customer_id));
	/* The subscription changes before the licences are revoked: a request that is issuing a
	 * licence from it waits, sees the change and issues none. */
	TRY(subscription_cancel(operation, customer_id));
	TRY(license_revoke_all(operation, customer_id, reason, NULL));
	TRY(license_record_revocation(operation, customer_id, NULL));
	return db_commit(operation->db, operation->task);
}

enum fail
account_update(struct operation *operation, const char *customer_id,
               const struct customer_change *change, struct customer *out)
{
	TRY(db_begin(operation->db, operation->task));
	TRY(customer_update(operation, customer_id, change, out));
	if (out->stripe_customer_id != NULL &&
	    (change->email.present || change->company_name.present)) {
		TRY(audit_admit_payment(operation, customer_id));
		TRY(stripe_customer_update_enqueue(operation, out));
	}
	return db_commit(operation->db, operation->task);
}
