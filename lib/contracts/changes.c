/* changes.c: makes, amends and ends contracts. */
#include "base/arena.h"
#include "base/random.h"
#include "base/text.h"
#include "billing/audit.h"
#include "billing/customers.h"
#include "contracts/contract_events.h"
#include "contracts/contracts.h"
#include "contracts/trials.h"
#include "issuing/license_rights.h"
#include "outbox/enqueue.h"

/* Things that stand in the way of a contract. */
struct obstacles {
	int64_t contracts;
	bool overlaps;
	bool subscribed;
};

extern const char contracts_contract_create_sql[]; /* contract_create.sql */
extern const char contracts_contract_amend_sql[];  /* contract_amend.sql */

#define FINAL "('canceled', 'incomplete_expired')"

enum { OBSTACLES, CREATE, AMEND, END };

static const struct statement statements[] = {
        /* A subscription of Stripe's that ends by itself before the contract starts is none. */
        [OBSTACLES] =
                {"contract_obstacles",
                 ROWS_WITH(struct obstacles, contracts, overlaps, subscribed),
                 .sql = "SELECT count(contract_id) AS contracts, "
                        "COALESCE(bool_or(contract_id <> $4 AND starts_at < $3 "
                        "  AND LEAST(ends_at, CASE WHEN status IN " FINAL
                        "    THEN ended_at END) > $2), false) AS overlaps, "
                        "COALESCE(bool_or(contract_id IS NULL "
                        "  AND stripe_subscription_id IS NOT NULL "
                        "  AND status NOT IN " FINAL " AND status <> 'incomplete' "
                        "  AND NOT COALESCE(LEAST(cancel_at, CASE WHEN cancel_at_period_end "
                        "    THEN current_period_ends_at END) <= $2::timestamptz, false)), "
                        "  false) AS subscribed FROM subscriptions WHERE customer_id = $1"},
        [CREATE] = {"contract_create", .sql = contracts_contract_create_sql},
        [AMEND] = {"contract_amend", .sql = contracts_contract_amend_sql},
        [END] = {"contract_end",
                 .sql = "WITH contract AS (UPDATE contracts SET end_set_at = $2, "
                        "end_reason = $3, updated_at = $2 WHERE contract_id = $1) "
                        "UPDATE subscriptions SET status = 'canceled', ended_at = $2, "
                        "ends_at = LEAST(ends_at, $2::timestamptz), version = version + 1, "
                        "updated_at = $2 WHERE contract_id = $1 AND status NOT IN " FINAL},
};

const struct statement_list contract_change_statements = STATEMENT_LIST(statements);

static enum fail
fail_conflict(struct operation *operation, const char *code, const char *message)
{
	return task_fail(operation->task, FAIL_CONFLICT, code, "%s", message);
}

/* Locks the customer for the change. */
static enum fail
lock(struct operation *operation, const char *customer_id)
{
	struct customer customer;
	bool deleted;

	TRY(customer_lock(operation, customer_id, &deleted));
	return customer_find(operation, customer_id, &customer);
}

/* Refuses times at which another contract counts, or, where the contract grows, a subscription of
 * Stripe's. */
static enum fail
check_obstacles(struct operation *operation, const char *customer_id, const char *contract_id,
                const struct contract_terms *terms, bool grows, struct obstacles *out)
{
	struct task *task = operation->task;
	bool found;

	TRY(db_row(operation->db, task, &statements[OBSTACLES],
	           PARAMETERS(customer_id, param_time(task, terms->starts_at),
	                      param_time(task, terms->ends_at), contract_id),
	           out, &found));
	if (out->overlaps)
		return fail_conflict(operation, "contract_overlaps",
		                     "The customer has another contract at that time.");
	if (grows && out->subscribed)
		return fail_conflict(operation, "subscription_exists",
		                     "The customer has a subscription at Stripe that does not "
		                     "end before the contract starts.");
	return FAIL_NONE;
}

static const char *
param_amount(struct task *task, const struct contract_terms *terms, int64_t value)
{
	return terms->currency == NULL ? NULL : param_int(task, value);
}

static const char *
param_days(struct task *task, const struct contract_terms *terms)
{
	return terms->days_until_due == 0 ? NULL : param_int(task, terms->days_until_due);
}

static enum fail
insert(struct operation *operation, const struct contract *contract, const char *status,
       struct instant trial_ends_at)
{
	const struct contract_terms *terms = &contract->terms;
	struct task *task = operation->task;

	return db_run(
	        operation->db, task, &statements[CREATE],
	        PARAMETERS(contract->contract_id, contract->customer_id, contract->billing,
	                   status, param_now(operation), operation->actor, terms->plan,
	                   param_time(task, terms->starts_at), param_time(task, terms->ends_at),
	                   param_amount(task, terms, terms->amount_minor), terms->currency,
	                   terms->interval, param_amount(task, terms, terms->interval_count),
	                   terms->features, terms->limits, terms->overage,
	                   param_days(task, terms), terms->reference, terms->note,
	                   param_time(task, trial_ends_at)),
	        NULL);
}

/* The contract as the API shows it, without texts that may name people. */
static const char *
audited(const struct operation *operation, const struct contract *contract)
{
	struct json_out json = json_out_new(operation->task->arena, 1024);
	struct contract shown = *contract;

	shown.terms.note = NULL;
	shown.terms.reference = NULL;
	shown.end_reason = NULL;
	json_out_open(&json, NULL, '{');
	contract_write(&json, &shown, operation->now_ms);
	json_out_close(&json, '}');
	return json.text.data;
}

/* Has Stripe bill the contract as it is now. */
static enum fail
bill(struct operation *operation, const struct customer *customer,
     const struct contract *before, const struct contract *contract)
{
	bool ended = contract_is_over(contract, operation->now_ms);

	if (before != NULL && !ended &&
	    contract_terms_bill_alike(&before->terms, &contract->terms))
		return FAIL_NONE;
	if (customer->stripe_customer_id == NULL && !ended)
		TRY(stripe_customer_create_enqueue(operation, customer));
	return stripe_contract_enqueue(operation, contract->customer_id, contract->contract_id);
}

/* Whether the customer may have pages open where he could subscribe, although he may do so no more, or not
 * from that time on: before the contract, or from its end on as that was set. */
static bool
pages_are_open(const struct contract *before, const struct contract *contract)
{
	return before == NULL || (before->end_set_at.known &&
	                          before->terms.ends_at.ms != contract->terms.ends_at.ms);
}

static enum fail
tell(struct operation *operation, const struct contract *before,
     const struct contract *contract)
{
	if (contract_is_over(contract, operation->now_ms))
		return contract_event_ended(operation, contract);
	return contract_event(operation,
	                      before == NULL ? EVENT_CONTRACT_CREATED : EVENT_CONTRACT_AMENDED,
	                      contract);
}

/* Ends what the change ended: licences that grant too much, and pages where the customer could still
 * subscribe. */
static enum fail
finish(struct operation *operation, const char *action, const struct contract *before,
       struct contract *out)
{
	const char *customer_id = out->customer_id;
	struct customer customer;

	TRY(license_revoke_excess(operation, customer_id));
	TRY(contract_find(operation, customer_id, out->contract_id, out));
	TRY(audit_record_values(operation, action, customer_id, out->contract_id, NULL,
	                        before == NULL ? NULL : audited(operation, before),
	                        audited(operation, out)));
	TRY(tell(operation, before, out));
	TRY(customer_find(operation, customer_id, &customer));
	if (text_equal(out->billing, CONTRACT_STRIPE))
		TRY(bill(operation, &customer, before, out));
	if (!pages_are_open(before, out))
		return FAIL_NONE;
	return stripe_checkout_close_enqueue(operation, customer_id,
	                                     customer.stripe_customer_id);
}

enum { DUE_DAYS_USUAL = 30 };

static enum fail
terms_of_new(struct operation *operation, const struct contract_input *input,
             struct contract_terms *out)
{
	struct task *task = operation->task;

	*out = (struct contract_terms){.starts_at = INSTANT_MS(operation->now_ms),
	                               .features = "{}",
	                               .limits = "{}",
	                               .overage = "{}"};
	if (text_equal(input->billing, CONTRACT_STRIPE))
		out->days_until_due = DUE_DAYS_USUAL;
	TRY(contract_terms_apply(task, &operation->billing->plans, input, out));
	return contract_terms_check(task, input->billing, NULL, out, operation->now_ms);
}

enum fail
contract_create(struct operation *operation, const char *customer_id,
                const struct contract_input *input, struct contract *out)
{
	bool manual = text_equal(input->billing, CONTRACT_MANUAL);
	struct instant trial_ends_at = INSTANT_NONE;
	struct obstacles obstacles;

	*out = (struct contract){.contract_id = random_id(operation->task->arena, "con_", 16),
	                         .customer_id = customer_id,
	                         .billing = input->billing};
	TRY(terms_of_new(operation, input, &out->terms));
	if (!manual && !operation->billing->sales.configured)
		return fail_stripe_not_configured(operation->task);
	TRY(db_begin(operation->db, operation->task));
	TRY(lock(operation, customer_id));
	TRY(check_obstacles(operation, customer_id, out->contract_id, &out->terms, true,
	                    &obstacles));
	if (obstacles.contracts >= CONTRACTS_MAX)
		return fail_conflict(operation, "too_many_contracts",
		                     "The customer has as many contracts as it can have.");
	if (manual)
		TRY(contract_shorten_trial(operation, out, &trial_ends_at));
	TRY(insert(operation, out, manual ? "active" : "incomplete", trial_ends_at));
	TRY(finish(operation, "contract_create", NULL, out));
	return db_commit(operation->db, operation->task);
}

/* Finds a contract that may still be changed, and compares the version that the caller has seen; 0:
 * any. */
static enum fail
find_changeable(struct operation *operation, const char *customer_id, const char *contract_id,
                int64_t version, struct contract *out)
{
	TRY(lock(operation, customer_id));
	TRY(contract_find(operation, customer_id, contract_id, out));
	if (contract_is_over(out, operation->now_ms))
		return fail_conflict(operation, "contract_ended", "The contract has ended.");
	if (version != 0 && version != out->version)
		return fail_conflict(operation, "version_conflict",
		                     "The contract has been changed since that version.");
	return FAIL_NONE;
}

/* Stores the terms of `contract` in place of those of `before`. */
static enum fail
store_version(struct operation *operation, const struct contract *before,
              const struct contract *contract)
{
	const struct contract_terms *terms = &contract->terms;
	struct task *task = operation->task;
	int64_t changed;

	if (before->version >= CONTRACT_VERSIONS_MAX)
		return fail_conflict(operation, "too_many_versions",
		                     "The contract has as many versions as it can have.");
	TRY(db_run(operation->db, task, &statements[AMEND],
	           PARAMETERS(before->contract_id, param_int(task, before->version),
	                      param_time(task, contract->end_set_at), contract->end_reason,
	                      param_now(operation), operation->actor, terms->plan,
	                      param_time(task, terms->starts_at),
	                      param_time(task, terms->ends_at),
	                      param_amount(task, terms, terms->amount_minor), terms->currency,
	                      terms->interval, param_amount(task, terms, terms->interval_count),
	                      terms->features, terms->limits, terms->overage,
	                      param_days(task, terms), terms->reference, terms->note),
	           &changed));
	if (changed == 0)
		return fail_conflict(operation, "version_conflict",
		                     "The contract has been changed since that version.");
	return FAIL_NONE;
}

/* Whether Stripe bills the contract, and by another interval than the terms have. */
static bool
breaks_interval(const struct operation *operation, const struct contract *before,
                const struct contract_terms *terms)
{
	const struct subscription *billed = &before->subscription;

	return before->terms.starts_at.ms <= operation->now_ms &&
	       billed->stripe_subscription_id != NULL &&
	       !contract_terms_recur_alike(&before->terms, terms) &&
	       (!text_equal(billed->interval, terms->interval) ||
	        billed->interval_count != terms->interval_count);
}

/* Stripe keeps the currency of a subscription. With another interval it begins a period at once, and what
 * was paid of the one that runs would be lost, or credited though it was not paid. */
static enum fail
check_new_price(struct operation *operation, const struct contract *before,
                const struct contract *contract)
{
	if (text_equal(before->billing, CONTRACT_MANUAL))
		return FAIL_NONE;
	if (!text_equal(before->terms.currency, contract->terms.currency))
		return task_fail_field(operation->task, "price", "must keep its currency");
	return breaks_interval(operation, before, &contract->terms)
	               ? fail_conflict(
	                         operation, "interval_fixed",
	                         "A contract that Stripe bills keeps its interval once it "
	                         "has begun; end it with a period, and make one that "
	                         "follows.")
	               : FAIL_NONE;
}

/* Checks the new terms. The start of a contract that has begun is fixed, and a subscription at Stripe is
 * no obstacle to a contract that becomes shorter. */
static enum fail
check_new_terms(struct operation *operation, const struct contract *before,
                const struct contract *contract)
{
	const struct contract_terms *terms = &contract->terms, *old = &before->terms;
	bool starts_anew = terms->starts_at.ms != old->starts_at.ms;
	bool grows =
	        terms->starts_at.ms < old->starts_at.ms || terms->ends_at.ms > old->ends_at.ms;
	struct obstacles obstacles;

	if (starts_anew && old->starts_at.ms <= operation->now_ms)
		return task_fail_field(operation->task, "starts_at", "has come already");
	TRY(contract_terms_check(operation->task, contract->billing, old, terms,
	                         operation->now_ms));
	if (!starts_anew && terms->ends_at.ms == old->ends_at.ms)
		return FAIL_NONE;
	TRY(check_obstacles(operation, before->customer_id, before->contract_id, terms, grows,
	                    &obstacles));
	return contract_restore_trial(operation, before, terms->starts_at);
}

enum fail
contract_amend(struct operation *operation, const char *customer_id, const char *contract_id,
               const struct contract_input *input, struct contract *out)
{
	struct contract before;

	TRY(db_begin(operation->db, operation->task));
	TRY(find_changeable(operation, customer_id, contract_id, input->version, &before));
	*out = before;
	TRY(contract_terms_apply(operation->task, &operation->billing->plans, input,
	                         &out->terms));
	TRY(check_new_price(operation, &before, out));
	TRY(check_new_terms(operation, &before, out));
	if (contract_terms_alike(&before.terms, &out->terms))
		return fail_conflict(operation, "nothing_to_change",
		                     "There is nothing to change.");
	/* A later end takes back one that an operator has set. Before an earlier one the customer may have
	 * bought what follows already. */
	if (out->terms.ends_at.ms > before.terms.ends_at.ms) {
		out->end_set_at = INSTANT_NONE;
		out->end_reason = NULL;
	}
	TRY(store_version(operation, &before, out));
	TRY(finish(operation, "contract_amend", &before, out));
	return db_commit(operation->db, operation->task);
}

static enum fail
end_now(struct operation *operation, const struct contract *contract, const char *reason)
{
	TRY(db_run(operation->db, operation->task, &statements[END],
	           PARAMETERS(contract->contract_id, param_now(operation), reason), NULL));
	if (contract->subscription.stripe_subscription_id != NULL)
		TRY(stripe_cancel_enqueue(operation, contract->customer_id,
		                          contract->subscription.stripe_subscription_id,
		                          stripe_cancel_parameters(operation)));
	return contract->terms.starts_at.ms > operation->now_ms
	               ? contract_restore_trial(operation, contract, INSTANT_NONE)
	               : FAIL_NONE;
}

/* An end that is set is a new version, so that an amendment of the one before fails. */
static enum fail
set_end(struct operation *operation, const struct contract *before,
        const struct contract_end *end)
{
	struct contract contract = *before;

	if (end->at.ms >= before->terms.ends_at.ms)
		return task_fail_field(operation->task, "at",
		                       "must be before the contract's end");
	if (end->at.ms <= before->terms.starts_at.ms)
		return task_fail_field(operation->task, "at",
		                       "must be after the contract's start, or absent");
	contract.terms.ends_at = end->at;
	contract.end_set_at = INSTANT_MS(operation->now_ms);
	contract.end_reason = end->reason;
	return store_version(operation, before, &contract);
}

/* A request that ends a contract at once may name the time at which it was sent. */
#define LATE_MS (60 * SECOND_MS)

enum fail
contract_end(struct operation *operation, const char *customer_id, const char *contract_id,
             const struct contract_end *end, struct contract *out)
{
	struct contract before;

	TRY(db_begin(operation->db, operation->task));
	TRY(find_changeable(operation, customer_id, contract_id, end->version, &before));
	*out = before;
	if (end->at.known && end->at.ms > operation->now_ms)
		TRY(set_end(operation, &before, end));
	else if (end->at.known && end->at.ms < operation->now_ms - LATE_MS)
		return task_fail_field(operation->task, "at", "must not have passed");
	else
		TRY(end_now(operation, &before, end->reason));
	TRY(finish(operation, "contract_end", &before, out));
	return db_commit(operation->db, operation->task);
}
