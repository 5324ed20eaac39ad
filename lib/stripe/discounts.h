/*
 * discounts.h: reads the discounts of a subscription or of one of its items.
 *
 * An object shows the ids of its discounts alone, unless they were expanded. Since 2025-09-30.clover a
 * discount names its coupon, whose values are then fetched apart.
 */
#pragma once

#include <stddef.h>

#include "json/view.h"

struct stripe_discount {
	const char *coupon;   /* that is still to be fetched; NULL: the values are here */
	bool known;           /* the discount was expanded */
	bool forever;         /* it lasts as long as the subscription */
	const char *percent;  /* as a decimal; NULL: it takes off an amount */
	const char *amount;   /* in minor units */
	const char *currency; /* of the amount */
};

struct stripe_discounts {
	struct stripe_discount *list; /* in the order in which they are taken off */
	size_t count;
};

/* The discounts of a subscription or an item. */
struct stripe_discounts stripe_discounts_read(const struct json_view *object);

/* Reads the values of the coupon into a discount that names it. */
void stripe_coupon_read(const struct json_view *coupon, struct stripe_discount *out);

/* Whether all values are known. */
bool stripe_discounts_are_known(const struct stripe_discounts *discounts);

/* The decimal number at the path, which Stripe writes as a number or as a text; NULL: none. */
const char *stripe_decimal_of(const struct json_view *object, const char *path);
