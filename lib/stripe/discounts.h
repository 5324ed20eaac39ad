/*
 * discounts.h: reads the discounts of a subscription, of one of its items, or of a customer.
 *
 * An object shows the ids of its discounts alone, unless they were expanded. Since 2025-09-30.clover a
 * discount names its coupon, whose values are then fetched apart. The products to which a coupon is limited
 * are shown by the coupon alone, if they are expanded.
 */
#pragma once

#include <stddef.h>

#include "json/view.h"

struct stripe_discount {
	const char *id;       /* another one when its coupon is replaced; NULL: not known */
	const char *coupon;   /* that is still to be fetched; NULL: the values are here */
	bool shown;           /* the values are here, though perhaps not the products */
	bool known;           /* the discount was expanded */
	bool forever;         /* it lasts as long as the subscription */
	const char *percent;  /* as a decimal; NULL: it takes off an amount */
	const char *amount;   /* in minor units */
	const char *currency; /* of the amount */
	/* The products that it takes something off of; `limited` is false: all. */
	bool limited;
	struct json_view products;
};

struct stripe_discounts {
	struct stripe_discount *list; /* in the order in which they are taken off */
	size_t count;
};

/* The discounts of a subscription or an item. */
struct stripe_discounts stripe_discounts_read(const struct json_view *object);

/* The discount of a customer, which its subscriptions without discounts of their own inherit. */
struct stripe_discounts stripe_discount_of(const struct json_view *customer);

/* Reads the values of the coupon into a discount that names it. */
void stripe_coupon_read(const struct json_view *coupon, struct stripe_discount *out);

/* Reads the coupon's amount in the currency, if the coupon shows its `currency_options`. */
void stripe_coupon_read_amount(const struct json_view *coupon, const char *currency,
                               struct stripe_discount *out);

/* Whether it takes something off of the product (NULL: not known). */
bool stripe_discount_is_of(const struct stripe_discount *discount, const char *product);

/* Whether all values are known. */
bool stripe_discounts_are_known(const struct stripe_discounts *discounts);

/* The decimal number at the path, which Stripe writes as a number or as a text; NULL: none. */
const char *stripe_decimal_of(const struct json_view *object, const char *path);
