/* test_router.c: paths find their row, methods theirs, and encodings never change the
 * structure. */
#include "support/suite.h"

#include "base/text.h"
#include "http/router.h"

struct row {
	struct router_entry entry;
	int id;
};

static const struct row rows[] = {
        {{HTTP_GET, "/things"}, 1},
        {{HTTP_POST, "/things"}, 2},
        {{HTTP_GET, "/things/:thing_id"}, 3},
        {{HTTP_PATCH, "/things/:thing_id"}, 4},
        {{HTTP_GET, "/things/special"}, 5},
        {{HTTP_GET, "/things/:thing_id/parts/:part_id"}, 6},
        {{HTTP_DELETE, "/things/:thing_id/parts/:part_id"}, 7},
        {{HTTP_GET, "/things/:thing_id/parts"}, 8},
        {{HTTP_POST, "/things/verify"}, 9},
        {{HTTP_GET, "/.well-known/file.json"}, 10},
};

static const struct router router = {rows, sizeof(*rows), sizeof(rows) / sizeof(*rows)};

static struct request request;

static void
setup(void)
{
	request = (struct request){.task = suite_task()};
}

static void
teardown(void)
{
	suite_task_end(&request.task);
}

#define BIT(method) (1u << (method))

static const struct {
	enum http_method method;
	const char *path;
	int id; /* 0: none */
	unsigned allowed;
	const char *first, *second; /* values of the parameters */
} finds[] = {
        {HTTP_GET, "/things", 1, 0, NULL, NULL},
        {HTTP_HEAD, "/things", 1, 0, NULL, NULL},
        {HTTP_POST, "/things", 2, 0, NULL, NULL},
        {HTTP_GET, "/things/abc", 3, 0, "abc", NULL},
        {HTTP_PATCH, "/things/abc", 4, 0, "abc", NULL},
        {HTTP_GET, "/things/special", 5, 0, NULL, NULL},
        {HTTP_GET, "/things/specially", 3, 0, "specially", NULL},
        {HTTP_GET, "/things/specia", 3, 0, "specia", NULL},
        {HTTP_GET, "/things/a/parts/b", 6, 0, "a", "b"},
        {HTTP_DELETE, "/things/special/parts/parts", 7, 0, "special", "parts"},
        {HTTP_GET, "/things/a/parts", 8, 0, "a", NULL},
        {HTTP_GET, "/.well-known/file.json", 10, 0, NULL, NULL},
        /* Decoded after the split. */
        {HTTP_GET, "/%74hings/%61%20b", 3, 0, "a b", NULL},
        {HTTP_GET, "/things/a%2Fparts%2fb", 3, 0, "a/parts/b", NULL},
        {HTTP_GET, "/things/a%2Fb/parts/..%2f..", 6, 0, "a/b", "../.."},
        {HTTP_GET, "/things/%73pecial", 5, 0, NULL, NULL},
        {HTTP_GET, "/things/a+b", 3, 0, "a+b", NULL},
        {HTTP_GET, "/things/%C3%A9", 3, 0, "\xc3\xa9", NULL},
        {HTTP_GET, "/things/..", 3, 0, "..", NULL},
        {HTTP_GET, "/things/:thing_id", 3, 0, ":thing_id", NULL},
        {HTTP_GET, "/things/%3athing_id", 3, 0, ":thing_id", NULL},
        /* The path is there, the method is not. */
        {HTTP_PUT, "/things", 0, BIT(HTTP_GET) | BIT(HTTP_POST), NULL, NULL},
        {HTTP_OPTIONS, "/things", 0, BIT(HTTP_GET) | BIT(HTTP_POST), NULL, NULL},
        {HTTP_DELETE, "/things/abc", 0, BIT(HTTP_GET) | BIT(HTTP_PATCH), NULL, NULL},
        {HTTP_OTHER, "/things/a/parts/b", 0, BIT(HTTP_GET) | BIT(HTTP_DELETE), NULL, NULL},
        {HTTP_HEAD, "/things/verify", 0, BIT(HTTP_POST), NULL, NULL},
        /* The literal wins, also where it lacks the method. */
        {HTTP_PATCH, "/things/special", 0, BIT(HTTP_GET), NULL, NULL},
        {HTTP_GET, "/things/verify", 0, BIT(HTTP_POST), NULL, NULL},
        /* There is no such path. */
        {HTTP_GET, "/", 0, 0, NULL, NULL},
        {HTTP_GET, "", 0, 0, NULL, NULL},
        {HTTP_GET, "things", 0, 0, NULL, NULL},
        {HTTP_GET, "*", 0, 0, NULL, NULL},
        {HTTP_GET, "//things", 0, 0, NULL, NULL},
        {HTTP_GET, "/things/", 0, 0, NULL, NULL},
        {HTTP_GET, "/things//parts", 0, 0, NULL, NULL},
        {HTTP_GET, "/things/a/parts/", 0, 0, NULL, NULL},
        {HTTP_GET, "/things/a/parts/b/c", 0, 0, NULL, NULL},
        {HTTP_GET, "/things/a/bits/b", 0, 0, NULL, NULL},
        {HTTP_GET, "/Things", 0, 0, NULL, NULL},
        {HTTP_GET, "/thing", 0, 0, NULL, NULL},
        {HTTP_GET, "/things%2fabc", 0, 0, NULL, NULL},
        {HTTP_GET, "/things/%", 0, 0, NULL, NULL},
        {HTTP_GET, "/things/%zz", 0, 0, NULL, NULL},
        {HTTP_GET, "/things/a%00b", 0, 0, NULL, NULL},
        {HTTP_GET, "/things/%ff", 0, 0, NULL, NULL},
        {HTTP_GET, "/things/\xff", 0, 0, NULL, NULL},
        {HTTP_GET, "/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a", 0, 0, NULL, NULL},
        {HTTP_GET, "////////////////////////////////", 0, 0, NULL, NULL},
};

START_TEST(test_find)
{
	const struct row *row;
	unsigned allowed = 77;

	request.method = finds[_i].method;
	request.path = finds[_i].path;
	row = router_find(&router, &request, &allowed);
	ck_assert_msg((row ? row->id : 0) == finds[_i].id, "%s: row %d, wanted %d",
	              request.path, row ? row->id : 0, finds[_i].id);
	if (row == NULL) {
		ck_assert_uint_eq(allowed, finds[_i].allowed);
		return;
	}
	ck_assert_int_eq((int)request.param_count,
	                 (finds[_i].first != NULL) + (finds[_i].second != NULL));
	if (finds[_i].first != NULL)
		ck_assert_str_eq(request_param(&request, "thing_id"), finds[_i].first);
	if (finds[_i].second != NULL)
		ck_assert_str_eq(request_param(&request, "part_id"), finds[_i].second);
}
END_TEST

/* The router gives the same answers with its rows in the opposite order. */
START_TEST(test_order_does_not_matter)
{
	struct row turned[ROWS(rows)];
	const struct router other = {turned, sizeof(*turned), ROWS(rows)};
	const struct row *row, *twin;
	unsigned allowed, twins;

	for (int i = 0; i < ROWS(rows); i++)
		turned[i] = rows[ROWS(rows) - 1 - i];
	for (int i = 0; i < ROWS(finds); i++) {
		request.method = finds[i].method;
		request.path = finds[i].path;
		row = router_find(&router, &request, &allowed);
		twin = router_find(&other, &request, &twins);
		ck_assert_int_eq(row ? row->id : 0, twin ? twin->id : 0);
		ck_assert_uint_eq(allowed, twins);
	}
	ck_assert_ptr_null(router_fault(&router));
	ck_assert_ptr_null(router_fault(&other));
}
END_TEST

static const struct {
	struct row rows[3];
	const char *fault;
} tables[] = {
        {{{{HTTP_GET, "/a"}, 1}, {{HTTP_POST, "/a"}, 2}, {{HTTP_GET, "/b"}, 3}}, NULL},
        {{{{HTTP_GET, "/a"}, 1}, {{HTTP_GET, "/b"}, 2}, {{HTTP_GET, "/a"}, 3}}, "/a"},
        {{{{HTTP_GET, "/a/:x"}, 1}, {{HTTP_GET, "/b"}, 2}, {{HTTP_GET, "/a/:y"}, 3}}, "/a/:y"},
        {{{{HTTP_GET, "/a/:x"}, 1}, {{HTTP_PUT, "/a/:y"}, 2}, {{HTTP_GET, "/a/b"}, 3}}, NULL},
        {{{{HTTP_GET, "/a/:x"}, 1}, {{HTTP_GET, "/a/:x/c"}, 2}, {{HTTP_GET, "/a"}, 3}}, NULL},
        {{{{HTTP_GET, "/a"}, 1}, {{HTTP_GET, "b"}, 2}, {{HTTP_GET, "/c"}, 3}}, "b"},
        {{{{HTTP_GET, "/a"}, 1}, {{HTTP_GET, ""}, 2}, {{HTTP_GET, "/c"}, 3}}, ""},
        /* No path can ever match these. */
        {{{{HTTP_GET, "/a"}, 1}, {{HTTP_GET, "/b/"}, 2}, {{HTTP_GET, "/c"}, 3}}, "/b/"},
        {{{{HTTP_GET, "/a"}, 1}, {{HTTP_GET, "/b//d"}, 2}, {{HTTP_GET, "/c"}, 3}}, "/b//d"},
        {{{{HTTP_GET, "/"}, 1}, {{HTTP_GET, "/b"}, 2}, {{HTTP_GET, "/c"}, 3}}, "/"},
        {{{{HTTP_GET, "/1/2/3/4/5/6/7/8"}, 1}, {{HTTP_GET, "/b"}, 2}, {{HTTP_GET, "/c"}, 3}},
         NULL},
        {{{{HTTP_GET, "/1/2/3/4/5/6/7/8/9"}, 1}, {{HTTP_GET, "/b"}, 2}, {{HTTP_GET, "/c"}, 3}},
         "/1/2/3/4/5/6/7/8/9"},
        /* More parameters than a request can carry. */
        {{{{HTTP_GET, "/:a/:b/:c/:d"}, 1}, {{HTTP_GET, "/b"}, 2}, {{HTTP_GET, "/c"}, 3}}, NULL},
        {{{{HTTP_GET, "/:a/:b/:c/:d/:e"}, 1}, {{HTTP_GET, "/b"}, 2}, {{HTTP_GET, "/c"}, 3}},
         "/:a/:b/:c/:d/:e"},
};

START_TEST(test_faults)
{
	const struct router other = {tables[_i].rows, sizeof(struct row), 3};
	const char *fault = router_fault(&other);

	ck_assert_msg(text_equal(fault, tables[_i].fault), "%s, wanted %s", fault,
	              tables[_i].fault);
}
END_TEST

START_TEST(test_method_names)
{
	for (int method = 0; method < HTTP_OTHER; method++)
		ck_assert_int_eq((int)request_method_parse(
		                         request_method_name((enum http_method)method)),
		                 method);
	ck_assert_int_eq(request_method_parse("get"), HTTP_OTHER);
	ck_assert_int_eq(request_method_parse(""), HTTP_OTHER);
	ck_assert_int_eq(request_method_parse("OTHER"), HTTP_OTHER);
	ck_assert_int_eq(request_method_parse("TRACE"), HTTP_OTHER);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("router");
	TCase *tcase = tcase_create("router");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, test_find, 0, ROWS(finds));
	tcase_add_test(tcase, test_order_does_not_matter);
	tcase_add_loop_test(tcase, test_faults, 0, ROWS(tables));
	tcase_add_test(tcase, test_method_names);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
