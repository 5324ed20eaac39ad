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
	out->coupon = NULL;
	out->known = true;
	out->forever = text_equal(stripe_text_of(coupon, "duration"), "forever");
	out->percent = stripe_decimal_of(coupon, "percent_off");
	out->amount = stripe_decimal_of(coupon, "amount_off");
	out->currency = stripe_text_of(coupon, "currency");
}

static struct stripe_discount
read_discount(const struct json_view *discount)
{
	struct stripe_discount out = {0};
	struct json_view coupon;

	if (json_view_object(discount, "coupon", &coupon) ||
	    (json_view_find(discount, "source.coupon", &coupon) &&
	     json_view_is_object(&coupon)))
		stripe_coupon_read(&coupon, &out);
	else
		out = (struct stripe_discount){
		        .known = true, .coupon = stripe_id_of(discount, "source.coupon")};
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
		out.list[out.count++] = json_view_is_object(&item)
		                                ? read_discount(&item)
		                                : (struct stripe_discount){0};
	/* Before 2024 a subscription had one discount at most. */
	if (out.count == 0 && json_view_object(object, "discount", &item))
		out.list[out.count++] = read_discount(&item);
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
