/* test_uncounted.c: subscriptions that bill what MRR cannot count are listed, counted and explained. */
#include "support/stripe_flow_fixture.h"

#include "analytics/figures.h"
#include "analytics/revenue_check.h"
#include "sync/inbox.h"

#define ITEM(more, interval)                                                                   \
	"{'id':'a','quantity':1,'price':{'id':'price_s'," more                                 \
	",'recurring':{'interval':'" interval "','interval_count':1}}}"
#define USD ITEM("'currency':'usd','unit_amount':4900", "month")
#define SOLD(items, more)                                                                      \
	"{'id':'sub_1','object':'subscription','customer':'cus_1','status':'active',"          \
	"'currency':'usd','created':1739580000,'metadata':{'customer_id':'OURS'},"             \
	"'items':{'data':[" items "]}" more "}"

static const struct {
	const char *text, *detail;
	int64_t count;
} lives[] = {
        {SOLD(USD, ""), NULL, 0},
        /* Use is not part of MRR: nothing is missing. */
        {SOLD(USD
              ",{'id':'m','price':{'id':'m','currency':'usd','unit_amount':null,'recurring':"
              "{'interval':'month','interval_count':1,'usage_type':'metered'}}}",
              ""),
         NULL, 0},
        {SOLD(USD "," ITEM("'currency':'usd','unit_amount':null", "month"), ""), "price", 1},
        {SOLD(ITEM("'currency':'usd','unit_amount':null", "month"), ""), "price", 1},
        {SOLD(USD "," ITEM("'currency':'usd','unit_amount':5", "fortnight"), ""), "interval",
         1},
        {SOLD(USD "," ITEM("'currency':'eur','unit_amount':5", "month"), ""), "currency", 1},
        {SOLD(USD,
              ",'discounts':[{'id':'di_1','source':{'type':'coupon','coupon':null}},'di_2']"),
         "discount", 1},
        {SOLD(ITEM("'currency':'usd','unit_amount':null",
                   "month") "," ITEM("'currency':'eur','unit_amount':5", "month"),
              ""),
         "price, currency", 1},
};

static void
receive(const char *text)
{
	const struct stripe_event event = {
	        .id = "evt_1",
	        .type = "customer.subscription.updated",
	        .ref = {.family = "subscription", .subject = "sub_1", .customer = "cus_1"}};
	const char *body = arena_printf(task.arena, "%s", text);
	int64_t done = 0;
	bool is_new;

	SCRIPT({.status = 200, .body = body}, {.status = 200, .body = body});
	fine(stripe_event_receive(&operation, &event, "{}", "webhook", &is_new));
	fine(stripe_inbox_run(&operation, &done));
	ck_assert_int_eq(done, 1);
	db_rollback_to(operation.db, 0);
	task_clear(&task);
}

static const struct revenue_listed *
compared(const char *text)
{
	struct stripe_subscription *listed = arena_array(task.arena, 1, sizeof(*listed));
	const char *body = flow_body(text);
	const struct revenue_listed *rows;
	struct json_view object;
	size_t count;

	ck_assert(json_view_try(task.arena, body, strlen(body), &object));
	ck_assert(stripe_subscription_read(&object, listed));
	fine(revenue_compare_listed(&operation, listed, 1, &rows, &count));
	ck_assert_uint_eq(count, 1);
	return rows;
}

START_TEST(test_what_is_not_counted)
{
	const struct revenue_listed *row;
	const struct attention *items;
	struct summary_counts counts;
	const char *found = NULL;
	size_t count;

	receive(lives[_i].text);
	fine(analytics_attention(&operation, &items, &count));
	for (size_t i = 0; i < count; i++)
		if (text_equal(items[i].kind, "uncounted")) {
			ck_assert_str_eq(items[i].subject, "sub_1");
			ck_assert_str_eq(items[i].customer_id, customer_id);
			found = items[i].detail;
		}
	ck_assert_pstr_eq(found, lives[_i].detail);
	fine(analytics_counts(&operation, &counts));
	ck_assert_int_eq(counts.uncounted, lives[_i].count);
	row = compared(lives[_i].text);
	ck_assert_str_eq(row->ours, row->theirs);
	ck_assert(row->equal == (found == NULL));
	if (found != NULL)
		ck_assert_str_eq(row->reason,
		                 arena_printf(task.arena, "not counted: %s", found));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("uncounted");
	TCase *tcase = tcase_create("uncounted");

	tcase_add_checked_fixture(tcase, flow_setup, flow_teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, test_what_is_not_counted, 0, sizeof(lives) / sizeof(*lives));
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
