/* discounts.c: reads the discounts of a subscription or of one of its items. */
#include "stripe/discounts.h"

#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "stripe/objects.h"

enum { DECIMAL_MAX = 32 };

static bool
is_decimal(const char *text)
{
	const size_t whole = strspn(text, "0123456789");
	const size_t length = strlen(text);

	if (whole == 0 || length > DECIMAL_MAX)
		return false;
	if (text[whole] == '\0')
		return true;
	return text[whole] == '.' && whole + 1 < length &&
	       whole + 1 + strspn(text + whole + 1, "0123456789") == length;
}

const char *
stripe_decimal_of(const struct json_view *object, const char *path)
{
	struct json_view value;
	const char *text;

	if (!json_view_find(object, path, &value))
		return NULL;
	if (!json_view_text(&value, &text))
		text = json_view_source(&value);
	return is_decimal(text) ? text : NULL;
}

void
stripe_coupon_read(const struct json_view *coupon, struct stripe_discount *out)
{
	struct json_view products;

	out->coupon = NULL;
	out->known = out->shown = true;
	out->forever = text_equal(stripe_text_of(coupon, "duration"), "forever");
	out->percent = stripe_decimal_of(coupon, "percent_off");
	out->amount = stripe_decimal_of(coupon, "amount_off");
	out->currency = stripe_text_of(coupon, "currency");
	out->limited = json_view_find(coupon, "applies_to.products", &products) &&
	               json_view_count(&products) > 0;
	if (out->limited)
		out->products = products;
}

void
stripe_coupon_read_amount(const struct json_view *coupon, const char *currency,
                          struct stripe_discount *out)
{
	struct json_view options, option;
	const char *amount;

	if (!json_view_object(coupon, "currency_options", &options) ||
	    !json_view_object(&options, currency, &option))
		return;
	amount = stripe_decimal_of(&option, "amount_off");
	if (amount == NULL)
		return;
	out->amount = amount;
	out->currency = currency;
}

bool
stripe_discount_is_of(const struct stripe_discount *discount, const char *product)
{
	struct json_view one;
	const char *id;

	if (!discount->limited)
		return true;
	for (bool more = json_view_first(&discount->products, &one); more;
	     more = json_view_next(&one))
		if (json_view_text(&one, &id) && text_equal(id, product))
			return true;
	return false;
}

/* It may be shown by its id alone. */
static struct stripe_discount
read_discount(const struct json_view *discount)
{
	struct stripe_discount out = {0};
	struct json_view coupon;

	if (!json_view_is_object(discount)) {
		(void)json_view_text(discount, &out.id);
		return out;
	}
	if (json_view_object(discount, "coupon", &coupon) ||
	    (json_view_find(discount, "source.coupon", &coupon) &&
	     json_view_is_object(&coupon))) {
		stripe_coupon_read(&coupon, &out);
		/* Its products are still to be fetched. */
		if (out.forever && !out.limited)
			out.coupon = stripe_text_of(&coupon, "id");
	} else
		out = (struct stripe_discount){
		        .known = true, .coupon = stripe_id_of(discount, "source.coupon")};
	out.id = stripe_text_of(discount, "id");
	return out;
}

struct stripe_discounts
stripe_discounts_read(const struct json_view *object)
{
	struct stripe_discounts out = {0};
	struct json_view list, item;
	const size_t most =
	        json_view_list(object, "discounts", &list) ? json_view_count(&list) : 1;

	out.list = arena_array(object->arena, most + 1, sizeof(*out.list));
	for (bool more = json_view_first(&list, &item); more; more = json_view_next(&item))
		out.list[out.count++] = read_discount(&item);
	/* Before 2024 a subscription had one discount at most. */
	if (out.count == 0 && json_view_object(object, "discount", &item))
		out.list[out.count++] = read_discount(&item);
	return out;
}

struct stripe_discounts
stripe_discount_of(const struct json_view *customer)
{
	struct stripe_discounts out = {0};
	struct json_view discount;

	if (!json_view_object(customer, "discount", &discount))
		return out;
	out.list = arena_array(customer->arena, 1, sizeof(*out.list));
	out.list[out.count++] = read_discount(&discount);
	return out;
}

bool
stripe_discounts_are_known(const struct stripe_discounts *discounts)
{
	for (size_t i = 0; i < discounts->count; i++)
		if (!discounts->list[i].known || discounts->list[i].coupon != NULL)
			return false;
	return true;
}
