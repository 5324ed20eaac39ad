/* adopt.h: takes over customers and subscriptions of another service, many at a time. */
#pragma once

#include "billing/customers.h"
#include "billing/subscriptions.h"

/* The outcome of a customer: it was made, or one of the others stood against it. */
struct adopted_customer {
	int64_t index;
	bool made;
	bool here;               /* a customer with this id is here */
	bool deleted;            /* it was here, and was deleted */
	const char *email_owner; /* the customer that has the address; NULL: none */
	bool stripe_taken;       /* another one has the id at Stripe, so this one has none */
};

struct adopted_subscription {
	int64_t index;
	bool made;
	bool no_customer;
	bool here;         /* the customer has a subscription here */
	bool stripe_taken; /* another customer has the subscription at Stripe */
};

/* A subscription to take over, with the address of its customer, which has used its trial. */
struct subscription_to_adopt {
	struct subscription subscription;
	const char *email;
};

extern const struct statement_list account_adopt_statements;

/* Each makes what is not here yet, in one statement, and changes nothing else; audited. The results
 * are in the order of the input. */
enum fail account_adopt_customers(struct operation *operation, const struct customer *customers,
                                  size_t count, const struct adopted_customer **out) MUST_CHECK;
enum fail account_adopt_subscriptions(struct operation *operation,
                                      const struct subscription_to_adopt *items, size_t count,
                                      const struct adopted_subscription **out) MUST_CHECK;
