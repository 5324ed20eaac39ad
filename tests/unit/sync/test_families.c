/* test_families.c: the table of Stripe's events that we act on. */
#include "support/stripe_objects_fixture.h"

static size_t
count_of(enum event_use use)
{
	size_t count = 0;

	while (event_type(use, count) != NULL)
		count++;
	return count;
}

/* Each use includes the next one. */
START_TEST(test_counts)
{
	ck_assert_uint_eq(count_of(EVENT_SWEPT), 24);
	ck_assert_uint_eq(count_of(EVENT_SUBSCRIBED), 26);
	ck_assert_uint_eq(count_of(EVENT_READ), 27);
}
END_TEST

/* Every listed type belongs to a family that syncs, and no type is listed twice. */
START_TEST(test_types)
{
	static const char *const objects[] = {"checkout.session", "subscription", "customer",
	                                      "invoice",          "charge",       "dispute"};
	const char *type;

	for (size_t i = 0; (type = event_type(EVENT_READ, i)) != NULL; i++) {
		int found = 0;

		for (int k = 0; k < ROWS(objects); k++) {
			struct stripe_event event;

			ck_assert(is_event(
			        arena_printf(
			                task.arena,
			                "{'id':'evt_1','type':'%s','data':{'object':"
			                "{'id':'x_1','object':'%s','subscription':'x_1'}}}",
			                type, objects[k]),
			        &event));
			if (event.ref.family == NULL)
				continue;
			found++;
			ck_assert(event_family(event.ref.family)->sync != NULL);
		}
		ck_assert_msg(found == 1, "%s", type);
		for (size_t k = 0; k < i; k++)
			ck_assert_str_ne(type, event_type(EVENT_READ, k));
	}
	ck_assert_ptr_null(event_family("unknown"));
	ck_assert_ptr_null(event_family(NULL));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("event families");
	TCase *tcase = tcase_create("event families");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_counts);
	tcase_add_test(tcase, test_types);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
