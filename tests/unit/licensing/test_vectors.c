/* test_vectors.c: liblicense gives the verdicts of tests/vectors/licenses.json, which the
 * recipes for other languages give too; with the keys as PEM and as a JWK set. */
#include "support/suite.h"

#include "base/file.h"
#include "licensing/license.h"
#include "json/view.h"

static struct task task;
static struct json_view document;

static void
setup(void)
{
	const char *path = "tests/vectors/licenses.json";
	size_t length;
	char *text;

	task = suite_task();
	ck_assert_msg(file_read(&task, path, 1 << 20, &text, &length) == FAIL_NONE, "%s",
	              task.failure.message);
	ck_assert_int_eq(json_view_open(&task, text, length, &document), FAIL_NONE);
}

static void
teardown(void)
{
	suite_task_end(&task);
}

static const char *
text_of(const struct json_view *object, const char *name)
{
	const char *text;

	ck_assert_msg(json_view_string(object, name, &text), "%s", name);
	return text;
}

static int64_t
number_of(const struct json_view *object, const char *name)
{
	int64_t number;

	ck_assert_msg(json_view_int(object, name, &number), "%s", name);
	return number;
}

/* The id that the verifier has, or NULL. */
static const char *
instance_of(const struct json_view *vector)
{
	struct json_view own;

	return json_view_member(vector, "instance", &own) ? NULL
	                                                  : text_of(&document, "instance");
}

static int64_t
clock_of(void *vector)
{
	return number_of(vector, "now");
}

static void
check_vector(struct json_view *vector, const char *keys)
{
	struct license_options options = {.size = sizeof(options),
	                                  .keys = keys,
	                                  .issuer = text_of(&document, "issuer"),
	                                  .leeway_s = number_of(&document, "leeway_s"),
	                                  .grace_days = number_of(&document, "grace_days"),
	                                  .instance = instance_of(vector),
	                                  .now = clock_of,
	                                  .now_context = vector};
	struct license *license;
	enum license_is tried;
	const char *verdict, *warning;

	ck_assert_int_eq(license_open(&options, &license), LICENSE_OK);
	ck_assert_int_eq(license_set(license, text_of(vector, "token")), LICENSE_OK);
	ck_assert_int_ne(license_verdict(license), LICENSE_IS_REVOKED);
	ck_assert_int_eq(license_set_revocations(license, text_of(&document, "revocations")),
	                 LICENSE_OK);
	verdict = license_verdict_name(license_verdict(license));
	ck_assert_int_eq(license_try(license, text_of(vector, "token"), &tried), LICENSE_OK);
	ck_assert_int_eq(tried, license_verdict(license));
	if (json_view_string(vector, "warning", &warning))
		ck_assert_msg(strcmp(license_warning(license), warning) == 0,
		              "%s: warning '%s'", text_of(vector, "name"),
		              license_warning(license));
	ck_assert_msg(strcmp(verdict, text_of(vector, "verdict")) == 0 &&
	                      strcmp(license_reason(license), text_of(vector, "reason")) == 0,
	              "%s: %s (%s)", text_of(vector, "name"), verdict, license_reason(license));
	license_close(license);
}

START_TEST(test_vectors)
{
	struct json_view vectors, vector, jwks;
	size_t agreed = 0;

	ck_assert(json_view_list(&document, "vectors", &vectors));
	ck_assert(json_view_object(&document, "jwks", &jwks));
	for (bool more = json_view_first(&vectors, &vector); more;
	     more = json_view_next(&vector))
		check_vector(&vector, agreed++ % 2 ? text_of(&document, "pem")
		                                   : json_view_source(&jwks));
	printf("licence vectors: %zu agree\n", agreed);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("vectors");
	TCase *tcase = tcase_create("licenses.json");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_vectors);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
