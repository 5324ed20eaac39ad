/* test_addons.c: prices of several currencies and intervals, quantities and add-ons of plans.json. */
#include "support/folder_fixture.h"

#include "base/file.h"
#include "plans/plans.h"

static struct plans plans;
static const char *path;

static void
setup(void)
{
	folder_setup();
	path = folder_path("plans.json");
}

/* A file of another trade, written with ' for ". */
static const char good[] =
        "{'version':3,'metrics':{'users':'level','calls':'sum'},\n"
        "'meters':{'api':[{'amount_minor':'0.5','currency':'eur'},"
        "{'amount_minor':'80','currency':'jpy'}]},\n"
        "'trial':{'days':7,'plan':'team','features':{'region':'eu'},'limits':{'maxUsers':3}},\n"
        "'plans':[\n"
        "{'plan':'team','name':'Team','quantity':'maxUsers','per':5,'metric':'users',"
        "'prices':[{'amount_minor':900,'currency':'EUR','interval':'month'},"
        "{'amount_minor':1500,'currency':'jpy','interval':'month'},"
        "{'amount_minor':2500,'currency':'eur','interval':'month','interval_count':3},"
        "{'amount_minor':9000,'currency':'eur','interval':'year'}],"
        "'features':{'region':'eu'},'limits':{'maxProjects':4},"
        "'usage':{'meters':{'calls':'api'}}},\n"
        "{'plan':'solo','name':'Solo','price':null,'features':{},'limits':{'maxUsers':1}}],\n"
        "'addons':[\n"
        "{'addon':'sso','name':'Sign-on','price':{'amount_minor':300,'currency':'eur',"
        "'interval':'month'},'features':{'sso':true}},\n"
        "{'addon':'projects','name':'Projects','price':null,'quantity':'maxProjects',"
        "'per':10,'limits':{'maxUsers':1}}]}\n";

static char *
quoted(const char *text)
{
	char *out = arena_copy(task.arena, text);

	for (char *at = out; *at != '\0'; at++)
		if (*at == '\'')
			*at = '"';
	return out;
}

static enum fail
load(const char *text)
{
	ck_assert_int_eq(file_write(&task, path, 0644, text, strlen(text), true), FAIL_NONE);
	return plans_load(&task, path, &plans);
}

static void
load_good(void)
{
	ck_assert_msg(load(quoted(good)) == FAIL_NONE, "%s", task.failure.message);
}

START_TEST(test_prices)
{
	const struct plan *team;

	load_good();
	team = plans_find(&plans, "team");
	ck_assert_uint_eq(team->price_count, 4);
	ck_assert_str_eq(team->prices[0].currency, "eur");
	ck_assert_int_eq(team->prices[0].interval_count, 1);
	ck_assert_int_eq(team->prices[2].interval_count, 3);
	ck_assert_int_eq(plans_price(&plans, "team", 1)->amount_minor, 1500);
	ck_assert_ptr_null(plans_price(&plans, "team", 4));
	/* A plan by agreement has the intervals of the others. */
	ck_assert_str_eq(plans_price(&plans, "solo", 3)->interval, "year");
	ck_assert_int_eq(plans_price(&plans, "sso", 0)->amount_minor, 300);
	ck_assert_ptr_null(plans_price(&plans, "projects", 0));
	ck_assert_ptr_null(plans_price(&plans, "gold", 0));
	ck_assert_str_eq(plans_meter(&plans, "api", "jpy")->amount_minor, "80");
	ck_assert_str_eq(plans_meter(&plans, "api", NULL)->currency, "eur");
	ck_assert_ptr_null(plans_meter(&plans, "api", "usd"));
}
END_TEST

START_TEST(test_quantity)
{
	const struct plan *team, *solo;

	load_good();
	team = plans_find(&plans, "team");
	solo = plans_find(&plans, "solo");
	ck_assert_str_eq(team->quantity.name, "maxUsers");
	ck_assert_int_eq(team->quantity.per, 5);
	ck_assert_int_eq(team->quantity.kind, VALUE_LIMIT);
	ck_assert_str_eq(team->quantity.metric, "users");
	/* The plan's own value is that of one. */
	ck_assert_int_eq(plans_integer(&team->features, &team->limits, "maxUsers"), 5);
	ck_assert_uint_eq(team->limits.count, 2);
	ck_assert_ptr_null(solo->quantity.name);
	ck_assert_int_eq(plans_integer(&solo->features, &solo->limits, "maxUsers"), 1);
}
END_TEST

START_TEST(test_addons)
{
	const struct plan_addon *sso, *projects;

	load_good();
	ck_assert_uint_eq(plans.addon_count, 2);
	sso = plans_find_addon(&plans, "sso");
	projects = plans_find_addon(&plans, "projects");
	ck_assert_ptr_null(plans_find_addon(&plans, "team"));
	ck_assert_ptr_null(plans_find(&plans, "sso"));
	ck_assert_ptr_null(sso->quantity.name);
	ck_assert(values_find(&sso->features, "sso")->truth);
	ck_assert_uint_eq(sso->limits.count, 0);
	ck_assert_str_eq(projects->quantity.name, "maxProjects");
	ck_assert_int_eq(projects->quantity.per, 10);
	ck_assert_ptr_null(projects->quantity.metric);
	ck_assert_int_eq(values_find(&projects->limits, "maxUsers")->number, 1);
	ck_assert_uint_eq(projects->price_count, 0);
}
END_TEST

/* A change of the good file, and a part of the message that refuses it. */
static const struct {
	const char *part, *by, *says;
} broken[] = {
        {"'currency':'EUR'", "'currency':'euro'",
         "line 5: team.prices[0] must have a currency of three letters"},
        {"'currency':'EUR'", "'currency':'e1r'", "must have a currency"},
        {"'interval_count':3", "'interval_count':0",
         "team.prices[2].interval_count must be an integer from 1 to 36"},
        {"'interval_count':3", "'interval_count':37", "from 1 to 36"},
        {"'interval_count':3", "'interval_count':'3'", "from 1 to 36"},
        {"'interval':'year'", "'interval':'year','interval_count':4", "from 1 to 3"},
        {"'interval_count':3", "'interval_count':1",
         "team.prices[2] has the interval and currency of another price"},
        {"'quantity':'maxUsers','per'", "'per'",
         "line 5: team has \"per\" or \"metric\" without \"quantity\""},
        {"'quantity':'maxUsers'", "'quantity':'max_users'",
         "team.quantity must be the name of a limit"},
        {"'quantity':'maxUsers'", "'quantity':7", "team.quantity must be the name"},
        {"'quantity':'maxUsers'", "'quantity':'maxSeats'",
         "line 5: team.quantity must name a limit, or a feature that is an integer"},
        {"'quantity':'maxUsers'", "'quantity':'region'", "team.quantity must name a limit"},
        {"'per':5", "'per':0", "team.per must be an integer from 1 to 1000000000"},
        {"'per':5", "'per':1000000001", "team.per must be an integer"},
        {"'metric':'users'", "'metric':'calls'", "team.metric must be one of the metrics"},
        {"'metric':'users'", "'metric':3", "team.metric must name a metric"},
        {"'addon':'sso'", "'addon':'Sso'", "line 8: addons[0] needs an \"addon\""},
        {"'addon':'sso'", "'addon':'team'", "line 8: team has the name of a plan"},
        {"'addon':'projects'", "'addon':'sso'", "line 9: sso stands twice"},
        {"'name':'Sign-on',", "", "line 8: sso needs a name"},
        {",'features':{'sso':true}", "", "line 8: sso adds nothing"},
        {"'features':{'sso':true}", "'features':{'sso':true},'usage':{}",
         "sso.usage is not a known member"},
        {"'features':{'sso':true}", "'features':{'region':true}",
         "sso.features.region must be a text"},
        {"'addons':[", "'addons':{}, 'x':[", "addons must be a list of at most 32 add-ons"},
        {"'addons':[", "'addons':[7,", "line 7: addons[0] must be an object"},
        {",{'amount_minor':'80','currency':'jpy'}", "",
         "line 2: meters.api has another currency than a plan that names it"},
        {"'currency':'jpy'}]}", "'currency':'eur'}]}",
         "meters.api[1] has the currency of another price"},
        {"[{'amount_minor':'0.5','currency':'eur'},{'amount_minor':'80','currency':'jpy'}]",
         "[]", "meters.api must have a price"},
};

START_TEST(test_broken)
{
	const char *place = strstr(good, broken[_i].part);
	const char *text;

	ck_assert_msg(place != NULL, "%s", broken[_i].part);
	text = arena_printf(task.arena, "%.*s%s%s", (int)(place - good), good, broken[_i].by,
	                    place + strlen(broken[_i].part));
	ck_assert_int_eq(load(quoted(text)), FAIL_INVALID);
	ck_assert_str_eq(task.failure.code, "plans_invalid");
	ck_assert_msg(strstr(task.failure.message, broken[_i].says) != NULL, "%s: %s",
	              broken[_i].says, task.failure.message);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("add-ons");
	TCase *tcase = tcase_create("add-ons");

	tcase_add_checked_fixture(tcase, setup, folder_teardown);
	tcase_add_test(tcase, test_prices);
	tcase_add_test(tcase, test_quantity);
	tcase_add_test(tcase, test_addons);
	tcase_add_loop_test(tcase, test_broken, 0, (int)ROWS(broken));
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
