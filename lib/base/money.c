/* money.c: amounts of money as people write them. */
#include "base/money.h"

#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/text.h"

enum { AMOUNT_MAX = 40 };

/* Stripe counts these in units of the currency, or in thousandths, and all others in hundredths.
 * ISK and UGX have no minor unit either, but Stripe counts them in hundredths
 * (docs.stripe.com/currencies, "Zero-decimal", "Three-decimal" and "Special cases"). */
static const char *const without_minor[] = {"bif", "clp", "djf", "gnf", "jpy", "kmf",
                                            "krw", "mga", "pyg", "rwf", "vnd", "vuv",
                                            "xaf", "xof", "xpf", NULL};
static const char *const with_three[] = {"bhd", "jod", "kwd", "omr", "tnd", NULL};

/* Currencies whose amounts may have nine, ten or twelve digits. */
static const char *const of_nine_digits[] = {"inr", NULL};
static const char *const of_ten_digits[] = {"cop", "huf", NULL};
static const char *const of_twelve_digits[] = {"idr", "lbp", NULL};

static bool
is_one_of(const char *currency, const char *const *names)
{
	for (; *names != NULL; names++)
		if (strcasecmp(currency, *names) == 0)
			return true;
	return false;
}

bool
money_is_currency(const char *text)
{
	return text_is_made_of(text, "abcdefghijklmnopqrstuvwxyz", 3, 3);
}

static size_t
digits_of(const char *currency)
{
	if (is_one_of(currency, without_minor))
		return 0;
	return is_one_of(currency, with_three) ? 3 : 2;
}

/* Digits with at most one point between them. */
static bool
is_decimal(const char *amount)
{
	size_t whole = strspn(amount, "0123456789");
	const char *rest = amount + whole;

	if (whole == 0 || strlen(amount) > AMOUNT_MAX)
		return false;
	if (*rest == '\0')
		return true;
	return *rest == '.' && rest[1] != '\0' &&
	       rest[1 + strspn(rest + 1, "0123456789")] == '\0';
}

/* Moves the point to the left by `digits`. Zeros that then end the fraction are dropped, but
 * `digits` digits are kept. */
static const char *
in_units(struct arena *arena, const char *amount, size_t digits)
{
	size_t whole = strcspn(amount, ".");
	const char *fraction = amount[whole] == '.' ? amount + whole + 1 : "";
	struct text out = text_new(arena, AMOUNT_MAX + 8);

	if (whole > digits)
		text_add_bytes(&out, amount, whole - digits);
	else
		text_add_char(&out, '0');
	if (digits > 0 || *fraction != '\0')
		text_add_char(&out, '.');
	for (size_t i = whole; i < digits; i++)
		text_add_char(&out, '0');
	whole = whole < digits ? whole : digits;
	text_add_bytes(&out, amount + strcspn(amount, ".") - whole, whole);
	text_add(&out, fraction);
	for (size_t drop = strlen(fraction); drop > 0 && out.data[out.length - 1] == '0';
	     drop--)
		out.data[--out.length] = '\0';
	if (out.data[out.length - 1] == '.')
		out.data[--out.length] = '\0';
	return out.data;
}

static const char *
upper_case(struct arena *arena, const char *currency)
{
	char *out = arena_copy(arena, currency);

	for (char *at = out; *at != '\0'; at++)
		if (*at >= 'a' && *at <= 'z')
			*at = (char)(*at - 'a' + 'A');
	return out;
}

const char *
money_text(struct arena *arena, const char *amount_minor, const char *currency)
{
	const char *sign = *amount_minor == '-' ? "-" : "", *amount = amount_minor;

	amount += strlen(sign);
	if (is_decimal(amount))
		amount = in_units(arena, amount, digits_of(currency));
	if (strcasecmp(currency, "usd") == 0)
		return arena_printf(arena, "%s$%s", sign, amount);
	return arena_printf(arena, "%s%s %s", sign, amount, upper_case(arena, currency));
}

int64_t
money_charge_max(const char *currency)
{
	if (is_one_of(currency, of_twelve_digits))
		return INT64_C(999999999999);
	if (is_one_of(currency, of_ten_digits))
		return INT64_C(9999999999);
	return is_one_of(currency, of_nine_digits) ? 999999999 : 99999999;
}
