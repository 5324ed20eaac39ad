/* money.h: amounts of money as people write them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct arena;

/* Whether the text has the form of a currency (ISO 4217) in lower case, as Stripe writes it. */
bool money_is_currency(const char *text);

/* "$29.00", "29.00 EUR", "2900 JPY": an amount in minor units of a currency (ISO 4217, in any
 * case), as Stripe counts them. The amount is a decimal, as the price of one use may be a part
 * of a cent: "0.05" usd is "$0.0005". An amount that is no decimal is written as it is, before
 * its currency. */
const char *money_text(struct arena *arena, const char *amount_minor, const char *currency);

/* The largest amount that Stripe charges in the currency, in minor units: eight digits, in a few
 * currencies more (docs.stripe.com/currencies, "Minimum and maximum charge amounts"). */
int64_t money_charge_max(const char *currency);
