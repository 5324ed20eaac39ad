/* revenue_check.h: computes anew what the customers are worth, and compares it with what is booked and
 * with Stripe's list of subscriptions. */
#pragma once

#include "operation/operation.h"
#include "stripe/objects.h"

struct revenue_fault {
	const char *what;        /* "value", "chain", "sum of churn 2026-11" */
	const char *customer_id; /* NULL: of all */
	const char *currency;
	const char *booked; /* decimals in minor units */
	const char *expected;
};

/* A subscription of Stripe's list, or one that counts here and is not in the list. */
struct revenue_listed {
	const char *id;
	const char *customer_id; /* NULL: none here */
	const char *currency;
	const char *ours;
	const char *theirs;
	const char *reason; /* why they differ; NULL: they do not, or no reason is known */
	bool equal;
};

extern const struct statement_list revenue_check_statements;

/* Each fault in what is booked, 10000 at most. */
enum fail revenue_check(struct operation *operation, const struct revenue_fault **out,
                        size_t *count) MUST_CHECK;

/* One row for each subscription of a page of Stripe's list. */
enum fail revenue_compare_listed(struct operation *operation,
                                 const struct stripe_subscription *listed, size_t listed_count,
                                 const struct revenue_listed **out, size_t *count) MUST_CHECK;

/* The subscriptions that count here and have none of these ids. */
enum fail revenue_unlisted(struct operation *operation, const struct string_list *ids,
                           const struct revenue_listed **out, size_t *count) MUST_CHECK;
