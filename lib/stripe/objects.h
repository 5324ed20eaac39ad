/*
 * objects.h: reads Stripe's objects into structs. Each value is looked for where the API versions
 * since 2025-03-31.basil have it, then where earlier versions had it.
 *
 * Unknown members, values and types are never an error (docs.stripe.com/upgrades). Strings live
 * as long as the arena that the JSON was read in.
 */
#pragma once

#include <stddef.h>

#include "base/clock.h"
#include "stripe/discounts.h"
#include "json/view.h"

/* An item of a subscription: a price, and how many times it is billed. */
struct stripe_item {
	const char *id;
	const char *price_id;
	const char *product_id;
	/* As `metadata.plan` or `metadata.addon` names it, unchecked: of the price, and of its product
	 * if expanded. */
	const char *sells;
	const char *product_sells;
	const char *interval;   /* by which the price is billed: "month"; NULL: not known */
	int64_t interval_count; /* every so many of them */
	const char *currency;   /* NULL: not known */
	/* The amount of one, in minor units, as a decimal; NULL: the price has none, but tiers, say. */
	const char *unit_amount;
	struct stripe_discounts discounts;
	int64_t quantity; /* a billion at most; -1: none */
	bool metered;     /* the price bills use */
	struct instant period_start;
	struct instant period_end;
};

struct stripe_subscription {
	const char *id;
	const char *customer;    /* Stripe's id */
	const char *customer_id; /* as its metadata names ours, unchecked; NULL: none */
	const char *contract_id; /* likewise */
	const char *status;
	const char *currency; /* NULL: not known */
	/* `inherits`: those of the customer. Without discounts they are not known unless `shows_customer`. */
	struct stripe_discounts discounts;
	bool inherits;
	bool shows_customer;             /* the customer was expanded */
	const struct stripe_item *items; /* in Stripe's order */
	size_t item_count;
	bool has_more_items; /* than its object shows: stripe_items_append() adds them */
	struct instant period_start; /* before 2025-03-31.basil, which moved periods to items */
	struct instant period_end;
	struct instant trial_end;
	struct instant cancel_at;
	struct instant canceled_at;
	struct instant ended_at;
	struct instant created;
	/* When the latest invoice is expanded and open: when it is due, if it is sent to be paid,
	 * else its id. */
	struct instant due_at;
	const char *unpaid_invoice;
	bool shows_invoice;        /* the latest invoice was expanded, or there is none */
	bool invoice_waits;        /* it is a draft or open */
	bool invoice_is_of_change; /* it was made for a change of the subscription */
	struct instant invoice_created;
	bool sends_invoices;        /* to be paid later, in place of charging the customer */
	bool owes_change;           /* that invoice is of a change of the subscription */
	const char *pause_behavior; /* of pause_collection; NULL: payments are collected */
	struct instant pause_resumes_at;
	bool cancel_at_period_end;
	bool automatic_tax; /* Stripe computes its tax */
	bool flexible;      /* its billing mode; versions before 2025-06-30.basil do not say */
};

struct stripe_invoice {
	const char *id;
	const char *customer;
	const char *customer_id; /* as the subscription's metadata named ours, unchecked */
	const char *subscription;
	const char *number;
	const char *status;
	const char *billing_reason;
	const char *currency;
	const char *hosted_invoice_url;
	const char *invoice_pdf;
	int64_t amount_due;
	int64_t amount_paid;
	int64_t attempts; /* to charge it */
	struct instant created;
	struct instant paid_at;
	/* The end of the last period that it charges for, of the lines that its object shows; unknown
	 * when it charges for prorations, use or other things alone. */
	struct instant paid_until;
	bool has_more_lines; /* than its object shows: stripe_lines_read() reads them */
};

struct stripe_charge {
	const char *id;
	const char *customer;
	const char *invoice;        /* before 2025-03-31.basil */
	const char *payment_intent; /* NULL for old and charge-only payments */
	const char *currency;
	int64_t amount_refunded; /* so far */
};

struct stripe_dispute {
	const char *id;
	const char *charge;
	const char *status;
	const char *currency;
	int64_t amount;
};

/* Whether the text (or NULL) may be one of Stripe's ids. */
bool stripe_id_is_valid(const char *id);

/* Stripe's times are seconds since 1970; a value that is no such time is unknown. */
struct instant stripe_instant(int64_t seconds);

/* The text at a path ("latest_invoice.status"); NULL when there is none. */
const char *stripe_text_of(const struct json_view *object, const char *path);

/* The object in which an invoice describes its subscription, since 2025-03-31.basil and
 * before. */
struct json_view stripe_invoice_details(const struct json_view *invoice);

/* The id at a path, where a reference is an id or an expanded object; NULL when it is
 * neither. */
const char *stripe_id_of(const struct json_view *object, const char *path);

/* False when the object is of another kind or has no id. */
bool stripe_subscription_read(const struct json_view *object, struct stripe_subscription *out);
bool stripe_invoice_read(const struct json_view *object, struct stripe_invoice *out);
bool stripe_charge_read(const struct json_view *object, struct stripe_charge *out);
bool stripe_dispute_read(const struct json_view *object, struct stripe_dispute *out);

/* The plan or add-on that the metadata of a price or product names, unchecked; NULL: none. */
const char *stripe_metadata_sells(const struct json_view *object);

/* Adds the items of a list's array. */
void stripe_items_append(struct stripe_subscription *subscription,
                         const struct json_view *data);

/* Moves paid_until on by the lines of a list's array. */
void stripe_lines_read(struct stripe_invoice *invoice, const struct json_view *data);

/* Whether an invoice's line credits or charges a part of a period. */
bool stripe_line_is_proration(const struct json_view *line);

/* How many of the item's price are bought. What has no quantity, being billed by its use, is there
 * once. */
int64_t stripe_item_quantity(const struct stripe_item *item);

/* Whether the status never changes again. */
bool stripe_status_is_final(const char *status);

/* Whether Stripe bills the subscription, or will when it is paid or resumed. */
bool stripe_status_is_live(const char *status);
