/*
 * account.h: the account at Stripe whose objects the database describes. It is recorded once.
 *
 * A key of another account, or of the other mode, finds none of those objects. So a 404 means
 * that an object does not exist only when the key is of the recorded account.
 */
#pragma once

#include "operation/operation.h"

struct stripe_account {
	const char *account_id; /* "acct_..."; NULL: not known */
	bool livemode;
	struct instant recorded_at;
};

extern const struct statement_list stripe_account_statements;

/* Reads the recorded account; its id is NULL before the first one is recorded. */
enum fail stripe_account_recorded(struct operation *operation,
                                  struct stripe_account *out) MUST_CHECK;

/* Fetches the key's account; its id is NULL when the key may not read it. */
enum fail stripe_account_fetch(struct operation *operation,
                               struct stripe_account *out) MUST_CHECK;

bool stripe_account_is(const struct stripe_account *account,
                       const struct stripe_account *other);

/* Fetches the key's account and compares it with the recorded one: FAIL_STRIPE
 * "stripe_other_account". An account that the key may not read is not compared. */
enum fail stripe_account_check(struct operation *operation) MUST_CHECK;

/* As stripe_account_check(), but records the account when it is the first one. */
enum fail stripe_account_record(struct operation *operation) MUST_CHECK;

/* As stripe_account_check(), before a 404 is taken for the end of an object: FAIL_STRIPE
 * "stripe_account_unknown" also when the key may not read its account. */
enum fail stripe_account_must_be_ours(struct operation *operation) MUST_CHECK;

/* Records the account in place of the one so far; audited. Begins and commits a
 * transaction. */
enum fail stripe_account_replace(struct operation *operation,
                                 const struct stripe_account *account) MUST_CHECK;

/* Rows that are linked with the recorded account. */
struct stripe_account_figures {
	int64_t customers;
	int64_t subscriptions; /* that have not ended */
};
enum fail stripe_account_figures(struct operation *operation,
                                 struct stripe_account_figures *out) MUST_CHECK;
