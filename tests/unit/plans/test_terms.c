/* test_terms.c: terms in which plans were sold, and which count for a customer. */
#include "support/suite.h"

#include "plans/plans_diff.h"

static struct task task;
static struct plans plans;

static void
setup(void)
{
	task = suite_task();
	ck_assert_msg(plans_load(&task, "tests/support/another-trade.json", &plans) ==
	                      FAIL_NONE,
	              "%s", task.failure.message);
}

static void
teardown(void)
{
	suite_task_end(&task);
}

static struct plan_terms
terms_of(const char *text)
{
	struct plan_terms terms;

	ck_assert(plans_terms_read(task.arena, &plans, text, &terms));
	return terms;
}

/* A stored row of the plan, in force since this second. */
static struct sold_terms
sold_since(const char *plan, int64_t seconds, const char *text)
{
	struct sold_terms sold = {plan, INSTANT_MS(seconds * SECOND_MS), false, terms_of(text)};

	plan_terms_fit(task.arena, &plans, &sold.terms);
	return sold;
}

/* "seats=5 sso=true", of the names in the table. */
static const char *
shown(const struct plan_terms *terms)
{
	static const char *const names[] = {"region", "sso",      "exportsDaily",
	                                    "seats",  "projects", "storageGb"};
	struct text text = text_new(task.arena, 128);

	for (int i = 0; i < ROWS(names); i++) {
		const struct license_value *value = values_find(&terms->features, names[i]);
		struct json_out json = json_out_new(task.arena, 16);

		if (value == NULL)
			value = values_find(&terms->limits, names[i]);
		if (value != NULL)
			value_write(&json, NULL, value);
		text_printf(&text, "%s%s", i > 0 ? " " : "",
		            value == NULL ? "-" : json.text.data);
	}
	return text.data;
}

static const char *
count_for(const char *plan, int64_t bought_s)
{
	struct plan_terms terms =
	        plans_terms(task.arena, &plans, plan,
	                    bought_s < 0 ? INSTANT_NONE : INSTANT_MS(bought_s * SECOND_MS));

	return shown(&terms);
}

#define STUDIO "\"eu-west\" false 100 5 20 50"
#define TRIAL "\"eu-west\" false 5 1 3 1"

/* Written and read again, the terms of each plan are the same. */
START_TEST(test_round_trip)
{
	for (size_t i = 0; i <= plans.count; i++) {
		struct plan_terms terms, back;
		const char *text;

		ck_assert(plans_present_terms(task.arena, &plans,
		                              i < plans.count ? plans.items[i].id : PLANS_TRIAL,
		                              &terms));
		text = plans_terms_write(task.arena, &plans, &terms);
		back = terms_of(text);
		ck_assert(plan_terms_equal(task.arena, &plans, &terms, &back));
		ck_assert_str_eq(plans_terms_write(task.arena, &plans, &back), text);
	}
}
END_TEST

START_TEST(test_without_stored_terms)
{
	ck_assert_str_eq(count_for("studio", 10), STUDIO);
	ck_assert_str_eq(count_for(PLANS_TRIAL, 10), TRIAL);
	/* As before terms were stored. */
	ck_assert_str_eq(count_for("gone", 10), TRIAL);
	plans.keeps_sold = true;
	ck_assert_str_eq(count_for("studio", 10), STUDIO);
	ck_assert_str_eq(count_for("studio", -1), STUDIO);
}
END_TEST

/* A plan that the file lost has its last terms, whenever it was bought. */
START_TEST(test_a_plan_that_is_gone)
{
	const struct sold_terms sold[] = {
	        sold_since("gone", 200,
	                   "{\"features\":{\"sso\":true},\"limits\":{\"seats\":7}}"),
	        sold_since("other", 150, "{\"features\":{},\"limits\":{\"seats\":1}}"),
	        sold_since("gone", 100, "{\"features\":{},\"limits\":{\"seats\":9}}"),
	};

	plans.sold = sold;
	plans.sold_count = ROWS(sold);
	ck_assert_str_eq(count_for("gone", 300), "- true - 7 null null");
	ck_assert_str_eq(count_for("gone", 150), "- true - 7 null null");
	plans.keeps_sold = true;
	ck_assert_str_eq(count_for("gone", 300), "- true - 7 null null");
	ck_assert_str_eq(count_for("gone", 150), "- true - 9 null null");
	ck_assert_str_eq(count_for("gone", 50), "- true - 9 null null");
}
END_TEST

/* A reduction of a plan waits for the next period; an addition does not. */
START_TEST(test_reductions_wait)
{
	const struct sold_terms sold[] = {
	        sold_since("studio", 200,
	                   "{\"features\":{\"region\":\"eu-west\",\"sso\":false,"
	                   "\"exportsDaily\":100,\"support\":\"e-mail\"},"
	                   "\"limits\":{\"seats\":5,\"projects\":20,\"storageGb\":50}}"),
	        sold_since("studio", 100,
	                   "{\"features\":{\"region\":\"us\",\"sso\":true,\"exportsDaily\":7},"
	                   "\"limits\":{\"seats\":8,\"storageGb\":5},"
	                   "\"usage\":{\"max_instances\":4}}"),
	};

	plans.sold = sold;
	plans.sold_count = ROWS(sold);
	ck_assert_str_eq(count_for("studio", 150), STUDIO);
	plans.keeps_sold = true;
	ck_assert_str_eq(count_for("studio", 150), "\"us\" true 100 8 null 50");
	ck_assert_str_eq(count_for("studio", 50), "\"us\" true 100 8 null 50");
	ck_assert_str_eq(count_for("studio", 199), "\"us\" true 100 8 null 50");
	ck_assert_str_eq(count_for("studio", 200), STUDIO);
	ck_assert_str_eq(count_for("studio", -1), STUDIO);
	ck_assert_str_eq(count_for("agency", 150), "\"eu-west\" true 2000000 25 null 500");
}
END_TEST

/* A name that is of another type now does not come back from an older file. */
START_TEST(test_names_of_other_types)
{
	const struct sold_terms sold[] = {sold_since(
	        "studio", 100,
	        "{\"features\":{\"sso\":7,\"seats\":true,\"old\":\"x\"},\"limits\":{}}")};

	plans.sold = sold;
	plans.sold_count = ROWS(sold);
	plans.keeps_sold = true;
	ck_assert_str_eq(count_for("studio", 150), "\"eu-west\" false 100 null null null");
}
END_TEST

/* Names of older files never make a licence too long, or give it more names than verifiers take. */
START_TEST(test_names_of_older_files_are_bounded)
{
	struct text text = text_new(task.arena, 1024);
	struct plan_terms terms;

	text_add(&text, "{\"features\":{\"region\":\"x\"");
	for (int i = 0; i < VALUES_MAX - 1; i++)
		text_printf(&text, ",\"old%d\":%s", i, _i == 0 ? "1" : "\"x\"");
	text_add(&text, "},\"limits\":{\"seats\":1,\"more\":2}}");
	terms = terms_of(text.data);
	plan_terms_fit(task.arena, &plans, &terms);
	/* The file has seven names, two of texts. A text of an older file may take 400 bytes. */
	ck_assert_uint_eq(terms.features.count, _i == 0 ? 1 + VALUES_MAX - 7 : 1 + 17);
	ck_assert_ptr_nonnull(values_find(&terms.features, "region"));
	ck_assert_ptr_nonnull(values_find(&terms.limits, "seats"));
	ck_assert_int_eq(values_find(&terms.limits, "more") != NULL, _i == 1);
}
END_TEST

START_TEST(test_broken_texts)
{
	static const char *const texts[] = {"",
	                                    "[]",
	                                    "{}",
	                                    "{\"features\":{}}",
	                                    "{\"features\":{\"a\":null},\"limits\":{}}",
	                                    "{\"features\":{},\"limits\":{\"a\":-1}}"};
	struct plan_terms terms;

	for (int i = 0; i < ROWS(texts); i++)
		ck_assert_msg(!plans_terms_read(task.arena, &plans, texts[i], &terms), "%s",
		              texts[i]);
}
END_TEST

START_TEST(test_changes)
{
	struct plan_terms from = terms_of("{\"features\":{\"a\":true,\"b\":1,\"c\":\"x\"},"
	                                  "\"limits\":{\"seats\":5,\"projects\":null,"
	                                  "\"storageGb\":1},\"usage\":{\"max_instances\":3}}");
	struct plan_terms to = terms_of("{\"features\":{\"b\":2,\"c\":\"y\",\"d\":true},"
	                                "\"limits\":{\"seats\":3,\"projects\":4,"
	                                "\"storageGb\":1},\"usage\":{\"max_instances\":9}}");
	struct term_changes changes = plans_changes(task.arena, &plans, &from, &to);

	ck_assert_str_eq(plans_changes_text(task.arena, &changes, false),
	                 "a true -> nothing, b 1 -> 2, c \"x\" -> \"y\", d nothing -> true, "
	                 "seats 5 -> 3, projects no bound -> 4, max_instances 3 -> 9");
	ck_assert_str_eq(plans_changes_text(task.arena, &changes, true),
	                 "a true -> nothing, c \"x\" -> \"y\", seats 5 -> 3, "
	                 "projects no bound -> 4");
	ck_assert(changes.gains && changes.loses);
	changes = plans_changes(task.arena, &plans, &to, &to);
	ck_assert_uint_eq(changes.count, 0);
	ck_assert(!changes.gains && !changes.loses);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("terms");
	TCase *tcase = tcase_create("terms");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_round_trip);
	tcase_add_test(tcase, test_without_stored_terms);
	tcase_add_test(tcase, test_a_plan_that_is_gone);
	tcase_add_test(tcase, test_reductions_wait);
	tcase_add_test(tcase, test_names_of_other_types);
	tcase_add_loop_test(tcase, test_names_of_older_files_are_bounded, 0, 2);
	tcase_add_test(tcase, test_broken_texts);
	tcase_add_test(tcase, test_changes);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
