/* test_addon_items.c: the items that a change of add-ons adds, changes and deletes, and their count. */
#include "support/stripe_objects_fixture.h"

#include "sales/addon_items.h"
#include "sales/items.h"
#include "sales/plan_change.h"

#define ITEM(id, price, quantity)                                                              \
	"{'id':'" id "','price':{'id':'" price "'},'quantity':" #quantity "}"
#define PLAN ITEM("si_1", "price_pro", 1)
#define SSO ITEM("si_2", "price_sso", 1)
#define NONE_OF_SSO ITEM("si_2", "price_sso", 0)

/* The add-ons' quantities after the change: of sso and more. */
static const struct {
	const char *items;
	int64_t sso, more;
	bool reprices;
	size_t count;
	const char *form;
} changes[] = {
        {PLAN, 2, 0, false, 2, "i[1][price]=price_sso&i[1][quantity]=2"},
        {PLAN "," SSO, 1, 3, false, 3, "i[1][price]=price_more&i[1][quantity]=3"},
        {PLAN "," SSO, 2, 0, false, 2, "i[1][id]=si_2&i[1][quantity]=2"},
        {PLAN "," SSO, 0, 0, false, 1, "i[1][id]=si_2&i[1][deleted]=true"},
        /* An item of which none is bought gets its quantity, and is not added again. */
        {PLAN "," NONE_OF_SSO, 2, 0, false, 2, "i[1][id]=si_2&i[1][quantity]=2"},
        {PLAN "," NONE_OF_SSO, 0, 1, false, 3, "i[1][price]=price_more&i[1][quantity]=1"},
        {PLAN "," NONE_OF_SSO, 0, 0, true, 1, "i[1][id]=si_2&i[1][deleted]=true"},
        {PLAN "," NONE_OF_SSO, 1, 0, true, 2,
         "i[1][id]=si_2&i[1][price]=price_sso&i[1][quantity]=1"},
};

/* Without the escapes of a form. */
static const char *
readable(const char *text)
{
	char *out = arena_copy(task.arena, text), *to = out;

	for (const char *at = text; *at != '\0'; at++)
		if (strncmp(at, "%5B", 3) == 0 || strncmp(at, "%5D", 3) == 0) {
			*to++ = at[2] == 'B' ? '[' : ']';
			at += 2;
		} else {
			*to++ = *at;
		}
	*to = '\0';
	return out;
}

START_TEST(test_change)
{
	struct sold_subscription sold = subscription_of(
	        arena_printf(task.arena, "{" SUB ",'items':{'data':[%s]}}", changes[_i].items));
	struct addon_change change = {
	        .sold = &sold,
	        .after = {1, {changes[_i].sso, changes[_i].more}},
	        .prices = {{&billing.addon_prices.items[0], &billing.addon_prices.items[1]}},
	        .reprices = changes[_i].reprices,
	};
	struct stripe_form form = stripe_form_new(task.arena);
	size_t next = 1;

	change.before.quantity = 1;
	for (size_t i = 0; i < sold.addon_count; i++)
		change.before.addons[0] += stripe_item_quantity(&sold.addons[i].item);
	addon_change_items(&form, "i", &next, &billing.plans, &change);
	ck_assert_str_eq(readable(form.text.data), changes[_i].form);
	ck_assert_uint_eq(addon_change_count(&billing.plans, &change), changes[_i].count);
}
END_TEST

/* Stripe keeps no quantity that is not sent; what is billed by use has none. */
static const struct {
	const char *item, *form;
} quantities[] = {
        {ITEM("si_1", "price_pro", 3), "i[0][id]=si_1&i[0][price]=price_pro&i[0][quantity]=5"},
        {ITEM("si_1", "price_pro", 0), "i[0][id]=si_1&i[0][price]=price_pro&i[0][quantity]=5"},
        {"{'id':'si_1','price':{'id':'price_pro'}}", "i[0][id]=si_1&i[0][price]=price_pro"},
};

START_TEST(test_quantity)
{
	struct change_terms terms = {.price = &billing.plan_prices.items[1]};
	struct stripe_form form = stripe_form_new(task.arena);

	terms.sold = subscription_of(arena_printf(task.arena, "{" SUB ",'items':{'data':[%s]}}",
	                                          quantities[_i].item));
	terms.addons.sold = &terms.sold;
	terms.addons.after.quantity = 5;
	change_terms_add_items(&form, "i", &billing, &terms);
	ck_assert_str_eq(readable(form.text.data), quantities[_i].form);
}
END_TEST

static const struct {
	const char *items;
	size_t count;
	const char *form;
} metered[] = {
        {PLAN, 2, "i[3][price]=price_calls_year&i[4][price]=price_mails"},
        {PLAN ",{'id':'si_2','price':{'id':'price_calls'}}", 1, "i[3][price]=price_mails"},
        {PLAN ",{'id':'si_2','price':{'id':'price_calls'}},{'id':'si_3','price':{'id':"
              "'price_mails'}}",
         0, ""},
};

/* Metered items are counted as they are added. One meter may be of two metrics, and one has no price. */
START_TEST(test_metered)
{
	struct billing with_use = billing;
	struct plan *plan = &with_use.plans.items[1];
	struct sold_subscription sold = subscription_of(
	        arena_printf(task.arena, "{" SUB ",'items':{'data':[%s]}}", metered[_i].items));
	struct stripe_form form = stripe_form_new(task.arena);
	const struct price *yearly = &billing.plan_prices.items[2];

	with_use.plans.metric_count = 5;
	plan->usage.meters[0] = plan->usage.meters[2] = "calls";
	plan->usage.meters[3] = "mails";
	plan->usage.meters[4] = "unsold";
	with_use.meter_prices = (struct price_list){.items = {{"price_calls", "calls", 0},
	                                                      {"price_calls_year", "calls", 1},
	                                                      {"price_mails", "mails", 0}},
	                                            .count = 3};
	stripe_items_add_metered(&form, "i", 3, &with_use, yearly, &sold.stripe);
	ck_assert_str_eq(readable(form.text.data), metered[_i].form);
	ck_assert_uint_eq(stripe_items_count_metered(&with_use, yearly, &sold.stripe),
	                  metered[_i].count);
	ck_assert_uint_eq(stripe_items_count_metered(&with_use, yearly, NULL), 2);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("items of add-ons");
	TCase *tcase = tcase_create("items of add-ons");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, test_change, 0, (int)ROWS(changes));
	tcase_add_loop_test(tcase, test_quantity, 0, (int)ROWS(quantities));
	tcase_add_loop_test(tcase, test_metered, 0, (int)ROWS(metered));
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
