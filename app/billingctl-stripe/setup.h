/*
 * setup.h: what the parts of `stripe setup` share: the plans' prices, the meters and their prices,
 * and the webhook endpoint.
 */
#ifndef BILLINGCTL_STRIPE_SETUP_H
#define BILLINGCTL_STRIPE_SETUP_H

#include "base/text.h"
#include "billingctl-stripe/account.h"

struct output;

struct setup {
	struct output *output;
	bool dry_run;
	bool incomplete;        /* something is missing */
	int64_t yearly_months;  /* a year costs so many months; 0: no yearly prices */
	const char *url;        /* where events are to go */
	const char *secret_out; /* a file, "-" for the answer, or NULL */
	const char *secret;     /* the new signing secret, when it belongs into the answer */
	struct text settings;   /* lines for the settings' file */
	struct account_endpoint endpoint; /* as it was found */
};

/* A row of the answer; `state` is "there", "missing", "made" or "changed". */
void setup_report(struct setup *setup, const char *what, const char *id, const char *state);

/* What to tell of a change: `done`, or that it is missing when nothing may be changed. */
const char *setup_report_change(struct setup *setup, const char *done);

/* The prices of a plan or meter that the setting is to name, the first ones first. */
struct setup_prices {
	const char *ids[PRICES_MAX + 2];
	size_t count;
};

/* Adds one, once. */
void setup_prices_add(struct setup_prices *prices, const char *id);

/* Adds to the setting the prices, then those that are configured for the plan or meter and stay for
 * the customers who have bought them: "name:price_id,...". */
void setup_prices_write(struct setup_prices *prices, const struct price_list *configured,
                        const char *name, struct text *setting);

/* A row for a price, which is added; `id` is NULL when it may not be made. */
void setup_report_price(struct setup *setup, struct setup_prices *prices, const char *what,
                        const char *id, bool there);

/* Products and prices of all plans that have a price, and their setting. */
enum fail setup_plans(struct ctl *ctl, struct setup *setup) MUST_CHECK;

/* Meters that plans name, prices of those that have one in PLANS_FILE, and their setting. */
enum fail setup_meters(struct ctl *ctl, struct setup *setup) MUST_CHECK;

/* A product that prices need; `plan` NULL: none has it. */
struct setup_product {
	const char *id;
	const char *name;
	const char
	        *kind; /* of what it is the product, for the answer; "" when the name says it */
	const char *plan;
	bool is_there; /* was found or made already */
};

/* Finds the product, makes it, or takes it out of the archive. */
enum fail setup_need_product(struct ctl *ctl, struct setup *setup,
                             struct setup_product *product) MUST_CHECK;

#endif
