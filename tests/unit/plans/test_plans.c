/* test_plans.c: reads conf/plans.json, and names the line of each fault of a broken file. */
#include "support/folder_fixture.h"

#include "base/file.h"
#include "plans/plans.h"
#include "plans/plans_digest.h"

static struct plans plans;
static const char *path;

static void
setup(void)
{
	folder_setup();
	path = folder_path("plans.json");
}

static void
load_ours(void)
{
	enum fail kind = plans_load(&task, "conf/plans.json", &plans);

	ck_assert_msg(kind == FAIL_NONE, "%s", task.failure.message);
}

/* The plans of conf/plans.json. */
#define BASIC                                                                                  \
	{                                                                                      \
		10, 30, 1, 0, 1, 1, 0                                                          \
	}
static const char *const feature_names[] = {
        "maxDevices",   "dataRetentionDays", "canExportData",    "hasAdvancedAlerts",
        "hasApiAccess", "hasMqttAccess",     "hasCustomBranding"};
static const char *const limit_names[] = {"maxUsers", "maxAlertRules", "maxDashboards"};
static const struct {
	const char *id;
	int64_t amount_minor; /* -1: on request */
	int64_t features[7];  /* in the file's order */
	int64_t limits[3];
} sold[] = {
        {"starter", 2900, BASIC, {5, 25, 10}},
        {"professional", 9900, {50, 365, 1, 1, 1, 1, 0}, {10, 100, 20}},
        {"enterprise",
         -1,
         {999999, 999999, 1, 1, 1, 1, 1},
         {LICENSE_UNLIMITED, LICENSE_UNLIMITED, LICENSE_UNLIMITED}},
};

static void
check_values(const struct license_values *got, const char *const *names, const int64_t *want,
             size_t count)
{
	ck_assert_uint_eq(got->count, count);
	for (size_t i = 0; i < count; i++) {
		const struct license_value *value = &got->items[i];

		ck_assert_str_eq(value->name, names[i]);
		ck_assert_int_eq(value->type == VALUE_BOOLEAN ? value->truth : value->number,
		                 want[i]);
	}
}

START_TEST(test_the_plans_of_this_project)
{
	const struct plan *plan;

	load_ours();
	ck_assert_uint_eq(plans.count, ROWS(sold));
	plan = plans_find(&plans, sold[_i].id);
	ck_assert_ptr_eq(plan, &plans.items[_i]);
	ck_assert_str_eq(plan->id, sold[_i].id);
	ck_assert_int_eq(plan->price_count > 0, sold[_i].amount_minor >= 0);
	if (plan->price_count > 0) {
		ck_assert_int_eq(plan->prices[0].amount_minor, sold[_i].amount_minor);
		ck_assert_str_eq(plan->prices[0].currency, "usd");
		ck_assert_str_eq(plan->prices[0].interval, "month");
	}
	check_values(&plan->features, feature_names, sold[_i].features, 7);
	check_values(&plan->limits, limit_names, sold[_i].limits, 3);
}
END_TEST

START_TEST(test_trial)
{
	load_ours();
	ck_assert_int_ge(plans.version, 1);
	ck_assert_int_eq(plans.trial_days, 14);
	ck_assert_str_eq(plans.trial_plan, "starter");
	check_values(&plans.trial_features, feature_names, sold[0].features, 7);
	check_values(&plans.trial_limits, limit_names, sold[0].limits, 3);
}
END_TEST

START_TEST(test_find)
{
	load_ours();
	ck_assert_ptr_null(plans_find(&plans, ""));
	ck_assert_ptr_null(plans_find(&plans, "trial"));
	ck_assert_ptr_null(plans_find(&plans, "Starter"));
	ck_assert_ptr_null(plans_find(&plans, "starter "));
}
END_TEST

#define FEATURES                                                                               \
	"{\"maxDevices\":1,\"dataRetentionDays\":1,\"canExportData\":true,"                    \
	"\"hasAdvancedAlerts\":true,\"hasApiAccess\":true,\"hasMqttAccess\":true,"             \
	"\"hasCustomBranding\":true}"
#define PRICE "{\"amount_minor\":1,\"currency\":\"eur\",\"interval\":\"year\"}"
#define FOUR_PRICES PRICE "," PRICE "," PRICE "," PRICE
#define TRIAL "{\"days\":1,\"plan\":\"a\",\"features\":" FEATURES ",\"limits\":{}}"
#define PLAN                                                                                   \
	"{\"plan\":\"a\",\"name\":\"A\",\"price\":" PRICE ",\"features\":" FEATURES            \
	",\"limits\":{\"maxUsers\":0},\n\"usage\":{\"max_instances\":2,"                       \
	"\"instance_overage\":1,\"non_production\":4,\"metrics\":{\"mb\":9},\"meters\":{"      \
	"\"calls\":\"api\"}}}"
#define COST "{\"amount_minor\":\"0.05\",\"currency\":\"eur\"}"
#define METRICS "{\"calls\":\"sum\",\"mb\":\"level\"}"
#define GOOD                                                                                   \
	"{\"version\":1,\"metrics\":" METRICS ",\"meters\":{\"api\":" COST                     \
	"},\n\"trial\":" TRIAL ",\n\"plans\":[" PLAN "]}"                                      \
	"\n"

static void
write_plans(const char *text, size_t length)
{
	ck_assert_int_eq(file_write(&task, path, 0644, text, length, true), FAIL_NONE);
}

/* GOOD with the first occurrence of a part replaced. */
static void
write_changed(const char *part, const char *by)
{
	const char *place = strstr(GOOD, part);
	const char *text;

	ck_assert_msg(place != NULL, "%s", part);
	text = arena_printf(task.arena, "%.*s%s%s", (int)(strlen(GOOD) - strlen(place)), GOOD,
	                    by, place + strlen(part));
	write_plans(text, strlen(text));
}

START_TEST(test_good)
{
	write_plans(GOOD, strlen(GOOD));
	ck_assert_msg(plans_load(&task, path, &plans) == FAIL_NONE, "%s", task.failure.message);
	ck_assert_uint_eq(plans.items[0].price_count, 1);
	ck_assert_str_eq(plans.items[0].prices[0].interval, "year");
	ck_assert_int_eq(
	        plans_integer(&plans.items[0].features, &plans.items[0].limits, "maxUsers"), 0);
	ck_assert_int_eq(plans_integer(&plans.trial_features, &plans.trial_limits, "maxUsers"),
	                 LICENSE_UNLIMITED);
	ck_assert_uint_eq(plans.trial_limits.count, 1);
}
END_TEST

START_TEST(test_usage)
{
	const struct plan_usage *usage = &plans.items[0].usage;

	write_plans(GOOD, strlen(GOOD));
	ck_assert_msg(plans_load(&task, path, &plans) == FAIL_NONE, "%s", task.failure.message);
	ck_assert_uint_eq(plans.metric_count, 2);
	ck_assert_uint_eq(plans_metric(&plans, "mb"), 1);
	ck_assert_uint_eq(plans_metric(&plans, "kb"), 2);
	ck_assert_int_eq(plans.metrics[0].kind, PLAN_METRIC_SUM);
	ck_assert_int_eq(plans.metrics[1].kind, PLAN_METRIC_LEVEL);
	ck_assert_int_eq(usage->max_instances, 2);
	ck_assert_int_eq(usage->instance_overage, 1);
	ck_assert_int_eq(usage->non_production, 4);
	ck_assert_int_eq(usage->metric_max[0], LICENSE_UNLIMITED);
	ck_assert_int_eq(usage->metric_max[1], 9);
	ck_assert_str_eq(usage->meters[0], "api");
	ck_assert_ptr_null(usage->meters[1]);
	ck_assert(plan_has_meter(&plans, &plans.items[0], "api"));
	ck_assert(!plan_has_meter(&plans, &plans.items[0], "calls"));
	ck_assert_uint_eq(plans.meter_count, 1);
	ck_assert_str_eq(plans_meter(&plans, "api", NULL)->amount_minor, "0.05");
	ck_assert_str_eq(plans_meter(&plans, "api", NULL)->currency, "eur");
	ck_assert_ptr_null(plans_meter(&plans, "calls", NULL));
	/* Without "usage" nothing is bounded. */
	ck_assert_int_eq(plans.trial_usage.max_instances, LICENSE_UNLIMITED);
	ck_assert_int_eq(plans.trial_usage.instance_overage, 0);
	ck_assert_int_eq(plans.trial_usage.non_production, PLAN_COUNTED_TOGETHER);
	ck_assert_int_eq(plans.trial_usage.metric_max[0], LICENSE_UNLIMITED);
}
END_TEST

/* A change of the good file, and a part of the message that refuses it. */
static const struct {
	const char *part, *by, *says;
} broken[] = {
        {"\"version\":1,", "", "version must be an integer"},
        {"\"version\":1", "\"version\":0", "version must be an integer"},
        {"\"version\":1", "\"version\":\"1\"", "version must be an integer"},
        {"\"version\":1", "\"version\":1,\"version\":1", ": a name occurs twice in an object"},
        {"\"version\":1", "\"extra\":0,\"version\":1",
         "line 1: plans.json.extra is not a known"},
        {"\"trial\":" TRIAL ",", "", "trial must be an object"},
        {"\"days\":1", "\"days\":0", "line 2: trial.days must be a number from 1 to 3650"},
        {"\"days\":1", "\"days\":3651", "trial.days"},
        {"\"days\":1", "\"days\":1.5", "trial.days"},
        {"\"plan\":\"a\"", "\"plan\":\"b\"", "trial.plan must name one of the plans"},
        {"\"days\":1", "\"days\":1,\"day\":1", "trial.day is not a known member"},
        {"\"maxDevices\":1", "\"maxDevices\":-1",
         "trial.features.maxDevices must be true, false,"},
        {"\"maxDevices\":1", "\"maxDevices\":9223372036854775807",
         "maxDevices must be true, false, an integer from 0 to 2^53 - 1, or a text"},
        {"\"maxDevices\":1", "\"maxDevices\":null",
         "line 2: trial.features.maxDevices must be"},
        {"\"maxDevices\":1", "\"maxDevices\":1e3",
         "maxDevices must be true, false, an integer"},
        {"\"maxDevices\":1", "\"maxDevices\":[1]",
         "maxDevices must be true, false, an integer"},
        {"\"maxDevices\":1", "\"maxDevices\":\"\"", "or a text of 1 to 200 bytes"},
        {"\"maxDevices\":1", "\"maxDevices\":\"a\\tb\"", "or a text of 1 to 200 bytes"},
        {"\"maxDevices\":1", "\"maxDevices\":\"many\"",
         "line 2: trial.features.maxDevices must be an integer, as a.features.maxDevices is"},
        {"\"canExportData\":true", "\"canExportData\":1",
         "trial.features.canExportData must be true or false, as a.features.canExportData is"},
        {"\"maxDevices\":1", "\"2fa\":1", "features.2fa must have a name of at most 64"},
        {"\"maxDevices\":1", "\"max_devices\":1", "features.max_devices must have a name"},
        {"\"maxDevices\":1", "\"\":1",
         "trial.features. must have a name of at most 64 letters"},
        {"\"maxDevices\":1", "\"maxUsers\":1",
         "trial.features.maxUsers has a name that a.limits.maxUsers has too"},
        {"\"maxUsers\":0", "\"maxUsers\":\"0\"",
         "line 3: a.limits.maxUsers must be an integer"},
        {"\"maxUsers\":0", "\"maxUsers\":false", "a.limits.maxUsers must be an integer from 0"},
        {"\"limits\":{}", "\"limits\":null", "line 2: trial.limits must be an object"},
        {",\"limits\":{}", "", "line 2: trial.limits must be an object"},
        {"\"maxUsers\":0", "\n\"maxUsers\":\n{}", "line 5: a.limits.maxUsers must be"},
        {"\"plan\":\"a\",\"name\"", "\n\"x\":[{\"name\":0},\"}\"],\"plan\":\"a\",\n\"name\"",
         "line 4: a.x is not a known member"},
        {"\"price\":" PRICE ",", "", "a needs a price, or null"},
        {PRICE, "\"29 USD\"", "a.price must be an object"},
        {"\"price\":" PRICE, "\"price\":" PRICE ",\"prices\":[" PRICE "]",
         "a has a price and prices"},
        {"\"price\":" PRICE, "\"prices\":[]", "a.prices must have 1 to 16 prices"},
        {"\"price\":" PRICE, "\"prices\":{}", "a.prices must have 1 to 16 prices"},
        {"\"price\":" PRICE, "\"prices\":null", "a.prices must have 1 to 16 prices"},
        {"\"price\":" PRICE,
         "\"prices\":[" FOUR_PRICES "," FOUR_PRICES "," FOUR_PRICES "," FOUR_PRICES "," PRICE
         "]",
         "a.prices must have 1 to 16 prices"},
        {"\"price\":" PRICE, "\"prices\":[" PRICE ",\n5]",
         "line 4: a.prices[1] must be an object"},
        {"\"price\":" PRICE, "\"prices\":[" PRICE "," PRICE "]",
         "a.prices[1] has the interval and currency of another price"},
        {"\"amount_minor\":1", "\"amount_minor\":29.5", "amount_minor must be an integer"},
        {"\"amount_minor\":1", "\"amount_minor\":-1", "amount_minor must be an integer"},
        {"\"amount_minor\":1", "\"amount_minor\":100000000",
         "line 3: a.price has an amount_minor beyond 99999999, Stripe's most in this currency"},
        {"\"currency\":\"eur\"", "\"currency\":\"\"", "currency must be a string"},
        {"\"interval\":\"year\"", "\"interval\":\"week\"", "interval is not month or year"},
        {"\"name\":\"A\"", "\"name\":null", "a needs a name"},
        {"[" PLAN "]", "[]", "plans must have 1 to 32 items"},
        {"[" PLAN "]", "{}", "plans must be a list"},
        {"[" PLAN "]", "[" PLAN "," PLAN "]", "a stands twice"},
        {"[" PLAN "]", "[null]", "line 3: plans[0] must be an object"},
        {"[{\"plan\":\"a\"", "[{\"plan\":\"A\"", "plans[0] needs a \"plan\""},
        {"[{\"plan\":\"a\"", "[{\"plan\":\"\"", "plans[0] needs a \"plan\""},
        {"[{\"plan\":\"a\"", "[{\"plan\":1", "plans[0] needs a \"plan\""},
        {"\"max_instances\":2", "\"max_instances\":-1",
         "line 4: a.usage.max_instances must be an integer"},
        {"\"non_production\":4", "\"non_production\":null",
         "a.usage.non_production must be an integer"},
        {"\"instance_overage\":1", "\"overage\":1", "a.usage.overage is not a known member"},
        {"\"usage\":{", "\"usage\":[{", "line 4: "},
        {"{\"mb\":9}", "{\"kb\":9}", "a.usage.metrics.kb is not one of the metrics"},
        {"{\"mb\":9}", "{\"mb\":null}", "a.usage.metrics.mb must be an integer from 0"},
        {"{\"mb\":9}", "9", "a.usage.metrics must be an object"},
        {"{\"calls\":\"api\"}", "{\"calls\":\"Api calls\"}",
         "a.usage.meters.calls must be the event name"},
        {"\"sum\"", "\"avg\"", "line 1: metrics.calls must be \"sum\" or \"level\""},
        {"\"sum\"", "1", "metrics.calls must be \"sum\" or \"level\""},
        {"\"calls\":\"sum\"", "\"Calls\":\"sum\"", "metrics.Calls must have a name of"},
        {"{\"api\":" COST "}", "[]", "line 1: meters must be an object"},
        {COST, "5", "line 1: meters.api must be an object"},
        {"{\"api\":" COST, "{\"calls\":" COST, "meters.calls is not a meter of any plan"},
        {"\"0.05\",\"currency\":\"eur\"", "\"0.05\",\"currency\":\"usd\"",
         "meters.api has another currency than a plan"},
        {"\"0.05\",", "\"0.05\",\"each\":1,", "meters.api.each is not a known member"},
        {"\"0.05\"", "5", "meters.api.amount_minor must be a string"},
        {"\"0.05\"", "\"0.050\"", "meters.api must have an amount_minor like"},
        {"\"0.05\"", "\"00.5\"", "meters.api must have an amount_minor like"},
        {"\"0.05\"", "\".5\"", "meters.api must have an amount_minor like"},
        {"\"0.05\"", "\"5.\"", "meters.api must have an amount_minor like"},
        {"\"0.05\"", "\"-5\"", "meters.api must have an amount_minor like"},
        {"\"0.05\"", "\"0.0000000000001\"", "meters.api must have an amount_minor like"},
        {METRICS, "[]", "metrics must be an object of at most 16"},
        {"]}\n", "]", "line 4: "},
        {"]}\n", "],}\n", "line 4: "},
        {"\n\"trial\"", "\n// what a trial gives\n\"trial\"", "line 2: "},
        {"\n\"trial\"", "\n'trial'", "line 2: "},
        {"\"name\":\"A\"", "\"name\":\"A\xff\"", "line 3: a string isn't well-formed UTF-8"},
};

START_TEST(test_broken)
{
	write_changed(broken[_i].part, broken[_i].by);
	ck_assert_int_eq(plans_load(&task, path, &plans), FAIL_INVALID);
	ck_assert_str_eq(task.failure.code, "plans_invalid");
	ck_assert_msg(strstr(task.failure.message, broken[_i].says) != NULL, "%s, wanted %s",
	              task.failure.message, broken[_i].says);
	ck_assert_int_eq(strncmp(task.failure.message, path, strlen(path)), 0);
	ck_assert_ptr_null(strchr(task.failure.message, '\n'));
}
END_TEST

/* A file with its end cut off is refused, unless only the last line break is missing. */
START_TEST(test_truncated_files)
{
	size_t length = strlen(GOOD);

	for (size_t cut = 0; cut < length - 1; cut++) {
		struct task own = suite_task();

		write_plans(GOOD, cut);
		if (plans_load(&own, path, &plans) != FAIL_INVALID)
			ck_abort_msg("%zu bytes were accepted", cut);
		suite_task_end(&own);
	}
}
END_TEST

START_TEST(test_not_an_object)
{
	static const char *const texts[] = {"", "[]", "null", "1", "\"plans\""};

	write_plans(texts[_i], strlen(texts[_i]));
	ck_assert_int_eq(plans_load(&task, path, &plans), FAIL_INVALID);
	ck_assert_ptr_nonnull(strstr(task.failure.message, path));
}
END_TEST

START_TEST(test_too_many)
{
	char *items = arena_copy(task.arena, "");

	for (int i = 0; i < PLANS_MAX + 1; i++)
		items = arena_printf(task.arena, "%s%s{\"plan\":\"p%d\"}", items, i ? "," : "",
		                     i);
	write_changed(PLAN, items);
	ck_assert_int_eq(plans_load(&task, path, &plans), FAIL_INVALID);
	ck_assert_ptr_nonnull(strstr(task.failure.message, "plans must have 1 to 32 items"));
}
END_TEST

/* A file with nothing of ours in it: seats, projects, regions; euros and yen. */
START_TEST(test_another_trade)
{
	static const char *const ids[] = {"solo",        "studio",      "studio_jp", "agency",
	                                  "campus-2026", "on_premises", "crew"};
	const struct license_values *features, *limits;
	const struct plan *plan;

	ck_assert_msg(plans_load(&task, "tests/support/another-trade.json", &plans) ==
	                      FAIL_NONE,
	              "%s", task.failure.message);
	ck_assert_uint_eq(plans.count, ROWS(ids));
	for (size_t i = 0; i < plans.count; i++)
		ck_assert_str_eq(plans.items[i].id, ids[i]);
	ck_assert_uint_eq(plans.name_count, 7);
	ck_assert_int_eq(plans_name(&plans, "region")->type, VALUE_TEXT);
	ck_assert_int_eq(plans_name(&plans, "seats")->kind, VALUE_LIMIT);
	ck_assert_ptr_null(plans_name(&plans, "maxUsers"));
	plan = plans_find(&plans, "on_premises");
	features = &plan->features;
	limits = &plan->limits;
	ck_assert_str_eq(values_find(features, "region")->text, "\"own\" rack, Z\xc3\xbcrich");
	ck_assert_int_eq(plans_integer(features, limits, "exportsDaily"), 999999);
	/* Limits that this plan does not name have no bound in it. */
	ck_assert_uint_eq(limits->count, 3);
	ck_assert_int_eq(plans_integer(features, limits, "seats"), LICENSE_UNLIMITED);
	plan = plans_find(&plans, "agency");
	ck_assert_int_eq(plans_integer(&plan->features, &plan->limits, "projects"),
	                 LICENSE_UNLIMITED);
	ck_assert_str_eq(plan->limits.items[0].name, "seats");
	ck_assert_ptr_null(
	        values_find(&plans_find(&plans, "campus-2026")->features, "support"));
}
END_TEST

/* Writes GOOD whose plan has these features and whose trial has none. */
static enum fail
load_features(const char *features)
{
	const char *text = arena_printf(
	        task.arena,
	        "{\"version\":1,\"trial\":{\"days\":1,\"plan\":\"a\",\"features\":{},"
	        "\"limits\":{}},\"plans\":[{\"plan\":\"a\",\"name\":\"A\",\"price\":null,"
	        "\"features\":{%s},\"limits\":{}}]}",
	        features);

	write_plans(text, strlen(text));
	return plans_load(&task, path, &plans);
}

/* As many names as a file may have, and texts as long as a licence can hold. */
START_TEST(test_bounds_of_names)
{
	char *names = arena_copy(task.arena, "\"n0\":0"), *texts;

	for (int i = 1; i < PLAN_NAMES_MAX; i++)
		names = arena_printf(task.arena, "%s,\"n%d\":%d", names, i, i);
	ck_assert_msg(load_features(names) == FAIL_NONE, "%s", task.failure.message);
	ck_assert_uint_eq(plans.name_count, PLAN_NAMES_MAX);
	ck_assert_int_eq(load_features(arena_printf(task.arena, "%s,\"more\":0", names)),
	                 FAIL_INVALID);
	ck_assert_ptr_nonnull(strstr(task.failure.message, "a.features has more than 64"));
	task_clear(&task);
	texts = arena_printf(task.arena, "\"t0\":\"%0*d\"", VALUE_TEXT_MAX, 0);
	for (int i = 1; i < 19; i++)
		texts = arena_printf(task.arena, "%s,\"t%d\":\"x\"", texts, i);
	ck_assert_msg(load_features(texts) == FAIL_NONE, "%s", task.failure.message);
	ck_assert_int_eq(load_features(arena_printf(task.arena, "%s,\"more\":\"x\"", texts)),
	                 FAIL_INVALID);
	ck_assert_ptr_nonnull(strstr(task.failure.message, "too long for a licence"));
}
END_TEST

START_TEST(test_plan_ids)
{
	static const char *const bad[] = {"1a",  "_a", "-a",
	                                  "a.b", "A",  "a23456789012345678901234567890123"};
	static const char *const good[] = {"b", "a-b_9", "a2345678901234567890123456789012"};

	for (int i = 0; i < ROWS(bad) + ROWS(good); i++) {
		const char *id = i < ROWS(bad) ? bad[i] : good[i - ROWS(bad)];

		write_changed("[{\"plan\":\"a\"",
		              arena_printf(task.arena, "[{\"plan\":\"%s\"", id));
		ck_assert_int_eq(plans_load(&task, path, &plans), FAIL_INVALID);
		/* The trial names the plan "a", so a good id is refused there alone. */
		ck_assert_msg((strstr(task.failure.message, "trial.plan must") != NULL) ==
		                      (i >= ROWS(bad)),
		              "%s: %s", id, task.failure.message);
		task_clear(&task);
	}
}
END_TEST

START_TEST(test_no_file)
{
	ck_assert_int_eq(plans_load(&task, path, &plans), FAIL_UNAVAILABLE);
	ck_assert_ptr_nonnull(strstr(task.failure.message, path));
}
END_TEST

/* Texts, the first of which is `{"a b": ["\" ", 1]}` without white space between its tokens. */
static const struct {
	const char *text;
	bool alike;
} digested[] = {
        {"{\"a b\":[\"\\\" \",1]}", true},  {" {\r\n\t\"a b\" : [ \"\\\" \", 1 ] }\n", true},
        {"{\"ab\":[\"\\\" \",1]}", false},  {"{\"a b\":[\"\\\"\",1]}", false},
        {"{\"a b\":[\"\\\" \",2]}", false}, {"{\"a b\":[\"\\\\\" ,1]}", false},
        {"{\"a b\":[\"\\", false},
};

START_TEST(test_digest)
{
	const char *first =
	        plans_digest(task.arena, digested[0].text, strlen(digested[0].text));
	const char *text = digested[_i].text;

	ck_assert_uint_eq(strlen(first), 64);
	ck_assert_int_eq(strcmp(first, plans_digest(task.arena, text, strlen(text))) == 0,
	                 digested[_i].alike);
}
END_TEST

START_TEST(test_a_loaded_file_has_its_digest)
{
	char *text;
	size_t length;

	load_ours();
	ck_assert_int_eq(file_read(&task, "conf/plans.json", 262144, &text, &length),
	                 FAIL_NONE);
	ck_assert_str_eq(plans.digest, plans_digest(task.arena, text, length));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("plans");
	TCase *tcase = tcase_create("plans");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, folder_teardown);
	tcase_add_loop_test(tcase, test_the_plans_of_this_project, 0, ROWS(sold));
	tcase_add_test(tcase, test_trial);
	tcase_add_test(tcase, test_find);
	tcase_add_test(tcase, test_good);
	tcase_add_test(tcase, test_usage);
	tcase_add_loop_test(tcase, test_broken, 0, ROWS(broken));
	tcase_add_test(tcase, test_truncated_files);
	tcase_add_loop_test(tcase, test_not_an_object, 0, 5);
	tcase_add_test(tcase, test_too_many);
	tcase_add_test(tcase, test_another_trade);
	tcase_add_test(tcase, test_bounds_of_names);
	tcase_add_test(tcase, test_plan_ids);
	tcase_add_test(tcase, test_no_file);
	tcase_add_loop_test(tcase, test_digest, 0, ROWS(digested));
	tcase_add_test(tcase, test_a_loaded_file_has_its_digest);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
