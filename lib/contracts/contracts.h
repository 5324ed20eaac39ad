/*
 * contracts.h: deals outside the price list.
 *
 * A contract is a row in contracts, a row in contract_versions for each version of its terms, and a row
 * in subscriptions, by which it counts from its start to its end. Of a customer's contracts no two
 * overlap. All changes lock the customer's row; they join the caller's transaction, if there is one.
 */
#pragma once

#include "billing/subscriptions.h"
#include "contracts/terms.h"
#include "db/page.h"
#include "json/out.h"

/* Bounds of a customer's contracts, of the versions of each, and of a page of contracts with all their
 * versions. */
enum { CONTRACTS_MAX = 100, CONTRACT_VERSIONS_MAX = 50, CONTRACT_PAGE_MAX = 20 };

#define CONTRACT_MANUAL "manual"
#define CONTRACT_STRIPE "stripe_invoice"

struct contract {
	const char *contract_id;
	const char *customer_id;
	const char *billing;
	int64_t version;
	struct contract_terms terms;      /* of the newest version */
	struct subscription subscription; /* its row; status and times are those that count */
	struct instant end_set_at;        /* when an operator ended it or scheduled its end */
	const char *end_reason;
	struct instant created_at;
	struct instant updated_at;
};

struct contract_version {
	int64_t version;
	struct contract_terms terms;
	struct instant created_at;
	const char *created_by;
};

/* Figures of all contracts for operators: how many run, and how many of them end within 30 days;
 * those whose call at Stripe was given up; and those that are over while their subscription at Stripe
 * still has not ended two hours later. One of each for the message, or NULL. */
struct contract_figures {
	int64_t running;
	int64_t ending;
	int64_t parked;
	int64_t overdue;
	const char *parked_one;
	const char *overdue_one;
};

extern const struct statement_list contract_statements, contract_change_statements,
        contract_end_statements;

/* FAIL_NOT_FOUND "customer_not_found", "contract_not_found". */
enum fail contract_find(struct operation *operation, const char *customer_id,
                        const char *contract_id, struct contract *out) MUST_CHECK;

/* The customer's contracts, newest first. FAIL_NOT_FOUND "customer_not_found". */
enum fail contract_list(struct operation *operation, const char *customer_id, struct page *page,
                        const struct contract **out, size_t *count) MUST_CHECK;

enum fail contract_figures(struct operation *operation,
                           struct contract_figures *out) MUST_CHECK;

/* All versions of a contract, oldest first. */
enum fail contract_versions(struct operation *operation, const char *contract_id,
                            const struct contract_version **out, size_t *count) MUST_CHECK;

/* Makes a contract. With CONTRACT_STRIPE its subscription at Stripe is made soon after the commit, and
 * later changes of price and times reach it likewise. A running trial ends when the contract starts.
 * FAIL_INVALID; FAIL_NOT_FOUND; FAIL_CONFLICT "contract_overlaps", "subscription_exists" for a subscription
 * of Stripe's that does not end before, "too_many_contracts"; FAIL_UNAVAILABLE "stripe_not_configured". */
enum fail contract_create(struct operation *operation, const char *customer_id,
                          const struct contract_input *input, struct contract *out) MUST_CHECK;

/* Changes the terms: stores them as a new version. FAIL_CONFLICT "version_conflict" when the newest
 * version is not the one that the input names, "contract_ended", "contract_overlaps",
 * "subscription_exists", "nothing_to_change", "too_many_versions", "interval_fixed" for another interval
 * of a price that Stripe bills already. */
enum fail contract_amend(struct operation *operation, const char *customer_id,
                         const char *contract_id, const struct contract_input *input,
                         struct contract *out) MUST_CHECK;

struct contract_end {
	struct instant at;  /* unknown: now */
	const char *reason; /* or NULL */
	int64_t version;    /* as in an amendment; 0: any */
};

/* Ends a contract now, or schedules its end, which is a new version. Failures as contract_amend(). */
enum fail contract_end(struct operation *operation, const char *customer_id,
                       const char *contract_id, const struct contract_end *end,
                       struct contract *out) MUST_CHECK;

/* FAIL_CONFLICT "contract_exists". */
enum fail fail_contract_exists(struct operation *operation) MUST_CHECK;

/* FAIL_CONFLICT "contract_exists" when a contract runs or is still to begin whose end no operator has
 * set. `ends_at` is the last end of the contracts that are ending, unknown without one. */
enum fail contract_must_end(struct operation *operation, const char *customer_id,
                            struct instant *ends_at) MUST_CHECK;

/* Whether it has ended, by its row or by its dates. */
bool contract_is_over(const struct contract *contract, int64_t now_ms);

/* Makes a subscription of Stripe's the contract's, unless the contract has one or is another
 * customer's. A running trial ends when the contract starts. */
enum fail contract_link(struct operation *operation, const char *customer_id,
                        const char *contract_id, const char *stripe_subscription_id) MUST_CHECK;

/* Before the customer's contracts are cancelled: has Stripe's subscriptions cancelled that may have been
 * made for them, but are not known yet. */
enum fail contract_bill_ends(struct operation *operation, const char *customer_id) MUST_CHECK;

/* A job: records that contracts are over that Stripe does not end, cancels subscriptions that Stripe has
 * not ended an hour after the contract's end, and revokes licences that grant too much. Access does not
 * depend on it. `*ended` counts. */
enum fail contract_expire_run(struct operation *operation, int64_t *ended) MUST_CHECK;

/* Deletes the notes, references and reasons of a customer's contracts, which may name people. */
enum fail contract_forget(struct operation *operation, const char *customer_id) MUST_CHECK;

/* Writes a contract as members of the open object. */
void contract_write(struct json_out *json, const struct contract *contract, int64_t now_ms);

/* A contract with all its versions, and a page of a customer's contracts as the member "contracts".
 * Notes are for operators alone. */
enum fail render_contract(struct operation *operation, struct json_out *json, const char *name,
                          struct contract contract, bool with_notes) MUST_CHECK;
enum fail render_contracts(struct operation *operation, struct json_out *json,
                           const char *customer_id, struct page *page,
                           bool with_notes) MUST_CHECK;
