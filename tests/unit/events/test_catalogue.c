/* test_catalogue.c: the table of events, and the document of the API that lists the same types. */
#include "support/suite.h"

#include "events/catalogue.h"

START_TEST(test_every_type_is_found_by_its_name)
{
	enum event_type found;

	for (size_t i = 0; i < EVENT_TYPES; i++) {
		const char *name = event_type_name((enum event_type)i);

		ck_assert_ptr_nonnull(name);
		ck_assert(event_type_find(name, &found));
		ck_assert_uint_eq(found, i);
		ck_assert_ptr_null(event_type_check(name));
	}
	ck_assert(!event_type_find("customer", &found));
	ck_assert_ptr_nonnull(event_type_check("customer.createD"));
}
END_TEST

/* In the same order, and no other. */
START_TEST(test_the_document_lists_the_same)
{
	struct arena *arena = arena_new((size_t)16 * 1024 * 1024);
	size_t length;
	char *text = suite_read_bytes(arena, "app/api/openapi.json", &length);
	char *at, *end;

	text[length] = '\0';
	at = strstr(text, "\"EventType\": {");
	ck_assert_ptr_nonnull(at);
	at = strchr(at, '[') + 1;
	end = strchr(at, ']');
	*end = '\0';
	for (size_t i = 0; i < EVENT_TYPES; i++) {
		char *name = strchr(at, '"');

		ck_assert_ptr_nonnull(name);
		at = strchr(name + 1, '"');
		*at++ = '\0';
		ck_assert_str_eq(name + 1, event_type_name((enum event_type)i));
	}
	ck_assert_ptr_null(strchr(at, '"'));
	arena_free(arena);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("event_catalogue");
	TCase *tcase = tcase_create("event_catalogue");

	tcase_add_test(tcase, test_every_type_is_found_by_its_name);
	tcase_add_test(tcase, test_the_document_lists_the_same);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
