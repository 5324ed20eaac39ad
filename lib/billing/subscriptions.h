/* subscriptions.h: the subscriptions of customers. Of a customer's rows one counts; the others
 * are over or superseded. */
#pragma once

#include "billing/purchase.h"
#include "operation/operation.h"

struct subscription {
	int64_t subscription_id;
	const char *customer_id;
	const char *stripe_subscription_id; /* NULL: not known to Stripe */
	const char *plan;
	const char *status; /* as stored, one of Stripe's; access_status() is what counts now */
	struct instant trial_ends_at;
	struct instant current_period_ends_at;
	struct instant
	        past_due_since; /* the first failed payment, or when an invoice was due */
	/* The present period began, and the charge for it is on its way; unknown: none is. Only the
	 * subscription of a licence's view has it. */
	struct instant period_unpaid_from;
	bool cancel_at_period_end;
	struct instant cancel_at;
	struct instant canceled_at; /* when the cancellation was requested */
	struct instant ended_at;
	const char *stripe_price_id;
	int64_t quantity;             /* of the plan; 1 of one that is bought once */
	const char *addons;           /* {add-on: quantity} as JSON text */
	const char *interval;         /* of the price, "month" or "year"; NULL: not known */
	int64_t interval_count;       /* a period is so many of them; 0: not known */
	const char *currency;         /* NULL: not known */
	const char *scheduled_plan;   /* begins with the next period; NULL: none */
	int64_t scheduled_quantity;   /* that begins with it; 0: as it is */
	const char *scheduled_addons; /* {add-on: quantity} that change with it; NULL: none */
	const char
	        *pause_behavior; /* Stripe's pause_collection; NULL: payments are collected */
	struct instant pause_resumes_at;
	struct instant pause_ends_access_at; /* the period in which the pause began ends */
	const char *hold_reason;             /* "refunded" or "disputed"; NULL: neither */
	struct instant hold_ends_access_at;
	struct instant price_ends_access_at; /* the price has no plan any more */
	const char *contract_id;             /* NULL: it is no contract */
	struct instant starts_at;            /* of a contract */
	struct instant ends_at;
	const char *kind; /* as subscription_kind() gives it, for answers */
	/* The earliest of these as access_early_end() gives it, for answers. */
	struct instant access_ends_at;
	const char *access_end_reason;
	struct instant bought_at; /* the plan, or its present period began */
	int64_t version;
	struct instant created_at;
	struct instant updated_at;
};

extern const struct statement_list subscription_statements;

/* "trial", "stripe" or "contract". */
const char *subscription_kind(const struct subscription *subscription);

/* Until when it is paid or tried: clients in use take this time without asking which of both. */
struct instant subscription_period_end(const struct subscription *subscription);

/* Whether it is a deal outside of the price list, which only an operator changes. */
bool subscription_is_contract(const struct subscription *subscription);

/* The subscription that counts; FAIL_NOT_FOUND "customer_not_found" or
 * "subscription_not_found". */
enum fail subscription_find(struct operation *operation, const char *customer_id,
                            struct subscription *out) MUST_CHECK;

/* The subscription that counts, or NULL, of a customer that is known to exist. */
enum fail subscription_newest(struct operation *operation, const char *customer_id,
                              const struct subscription **out) MUST_CHECK;

/* Starts the trial of a customer that has no live subscription. FAIL_CONFLICT
 * "subscription_exists", or "trial_used" when this customer or e-mail address had its trial;
 * FAIL_NOT_FOUND. Joins the caller's transaction, if there is one. */
enum fail subscription_start_trial(struct operation *operation, const char *customer_id,
                                   struct subscription *out) MUST_CHECK;

/* A trial with this status as the audit trail has it: a JSON object. */
const char *subscription_trial_state(struct arena *arena,
                                     const struct subscription *subscription,
                                     const char *status);

/* Cancels all live subscriptions. The newest row stays locked until the transaction ends and
 * has another version, so that no licence is issued from its earlier state. To be called within
 * a transaction. */
enum fail subscription_cancel(struct operation *operation, const char *customer_id) MUST_CHECK;

/* Cancels the trial that Stripe does not know, and nothing else. `*ended` is false when there
 * is none. */
enum fail subscription_cancel_trial(struct operation *operation, const char *customer_id,
                                    bool *ended) MUST_CHECK;

/* Gives the newest subscription another version and locks its row until the transaction ends, so that no
 * licence is issued from what was read before. */
enum fail subscription_touch(struct operation *operation, const char *customer_id) MUST_CHECK;

/* Locks the newest subscription's row until the transaction ends. */
enum fail subscription_lock(struct operation *operation, const char *customer_id) MUST_CHECK;

/* A job: records that trials have ended; `ended` counts. Rows that another process has locked
 * wait for the next run. Access does not depend on it. */
enum fail subscription_expire_trials(struct operation *operation, int64_t *ended) MUST_CHECK;

/* All subscriptions of Stripe's that are not over. */
enum fail subscription_open_at_stripe(struct operation *operation, const char *customer_id,
                                      const struct subscription **out,
                                      size_t *count) MUST_CHECK;
