/* test_wire.c: the forms of ids and versions that the service and the agent share. */
#include "support/suite.h"

#include "base/wire.h"

#define HEX32 "0123456789abcdef0123456789abcdef"
#define A10 "aaaaaaaaaa"
#define A100 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10

static const struct {
	const char *id;
	bool fine;
} customers[] = {
        {"cust_" HEX32, true},
        {"cust_ffffffffffffffffffffffffffffffff", true},
        {"", false},
        {"cust_", false},
        {"cust_0123456789ABCDEF0123456789abcdef", false},
        {"cust_" HEX32 "0", false},
        {"cust_0123456789abcdef0123456789abcde", false},
        {"cust_" HEX32 "\n", false},
        {" cust_" HEX32, false},
        {"CUST_" HEX32, false},
        {"cust-" HEX32, false},
        {HEX32, false},
        {"cust_0123456789abcdef0123456789abcdeg", false},
        {"cust_' OR true --", false},
};

START_TEST(test_customer_ids)
{
	ck_assert_msg(wire_is_customer_id(customers[_i].id) == customers[_i].fine, "%s",
	              customers[_i].id);
}
END_TEST

static const struct {
	const char *id;
	bool fine;
} names[] = {
        {"a", true},    {"AZaz09._:-", true}, {A100, true},
        {"", false},    {A100 "a", false},    {"a b", false},
        {"a/b", false}, {"a\n", false},       {"caf\xc3\xa9", false},
        {"a'b", false},
};

START_TEST(test_instance_and_report_ids)
{
	ck_assert_msg((wire_check_id(names[_i].id) == NULL) == names[_i].fine, "%s",
	              names[_i].id);
}
END_TEST

/* 64 characters. */
#define V64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const struct {
	const char *version;
	bool fine;
} versions[] = {
        {"3", true},  {"3.2.0 (build 7)", true}, {"!~", true},     {V64, true},
        {"", false},  {V64 "x", false},          {" 3", false},    {"3 ", false},
        {" ", false}, {"3\n2", false},           {"3\x7f", false}, {"caf\xc3\xa9", false},
};

START_TEST(test_versions)
{
	ck_assert_msg((wire_check_version(versions[_i].version) == NULL) == versions[_i].fine,
	              "%s", versions[_i].version);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("wire");
	TCase *tcase = tcase_create("wire");

	tcase_add_loop_test(tcase, test_customer_ids, 0, ROWS(customers));
	tcase_add_loop_test(tcase, test_instance_and_report_ids, 0, ROWS(names));
	tcase_add_loop_test(tcase, test_versions, 0, ROWS(versions));
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
