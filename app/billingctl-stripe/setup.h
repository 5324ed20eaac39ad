/* setup.h: the parts of `billingctl stripe setup`: prices of plans, meters and their prices,
 * and the webhook endpoint. */
#pragma once

#include "base/text.h"
#include "billingctl-stripe/account.h"

struct output;

struct setup {
	struct output *output;
	bool dry_run;
	bool incomplete;        /* something is missing */
	int64_t yearly_months;  /* how many months a year costs; 0: no yearly prices */
	const char *url;        /* of the webhook endpoint */
	const char *secret_out; /* a file, "-" for the answer, or NULL */
	const char *secret;     /* the new signing secret, when the answer is to show it */
	struct text settings;   /* lines for the settings' file */
	struct account_endpoint endpoint; /* as it was found */
};

/* A plan, add-on or meter that is sold: its product at Stripe and its prices. */
struct setup_sale {
	const char *name; /* in the setting */
	const char *kind; /* of its id in the metadata: "plan", "addon"; NULL: it is a meter */
	const char *first_currency; /* of its first price; NULL: it has one currency */
	const char *product_id;
	const char *product_name;
	bool product_exists;                 /* found or made already */
	const struct price_list *configured; /* the prices of the setting so far */
	const char *price_ids[PRICES_MAX + 2];
	size_t price_count;
};

/* Adds a row to the answer; `state` is "there", "missing", "made" or "changed". In a dry run
 * the last two become "missing". */
void setup_report(struct setup *setup, const char *what, const char *id, const char *state);

/* Finds the price among the configured ones or by its lookup key, else makes it and its
 * product. `what` is its name in the answer. */
enum fail setup_price(struct ctl *ctl, struct setup *setup, struct setup_sale *sale,
                      const struct account_price_spec *spec, const char *what) MUST_CHECK;

/* Adds "name:price_id,..." to the setting: the prices of setup_price(), then the configured
 * ones that subscriptions may still have. */
void setup_write_prices(struct setup_sale *sale, struct text *setting);

/* Products and prices of all plans and add-ons that have a price, and their setting. */
enum fail setup_plans(struct ctl *ctl, struct setup *setup) MUST_CHECK;

/* Meters that plans name, prices of those that have one in PLANS_FILE, and their setting. */
enum fail setup_meters(struct ctl *ctl, struct setup *setup) MUST_CHECK;
