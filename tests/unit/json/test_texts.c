/* test_texts.c: the strict reader takes and refuses the texts in tests/vectors/texts.json
 * as it stands there, and every file of JSONTestSuite has a class there and that class's
 * verdict. */
#include "support/suite.h"

#include <dirent.h>
#include <regex.h>

#include "base/file.h"
#include "json/view.h"

static struct task task;
static struct json_view classes;

static void
setup(void)
{
	struct json_view document;
	size_t length;
	char *text;

	task = suite_task();
	ck_assert_int_eq(file_read(&task, "tests/vectors/texts.json", 1 << 22, &text, &length),
	                 FAIL_NONE);
	ck_assert_int_eq(json_view_open(&task, text, length, &document), FAIL_NONE);
	ck_assert(json_view_member(&document, "classes", &classes));
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

/* The reader takes the text as JSON. It may still be no object. Reads a copy without a byte more. */
static bool
is_taken(const char *text, size_t length)
{
	struct task attempt = {.arena = arena_new((size_t)64 * 1024 * 1024)};
	char *exact = malloc(length ? length : 1);
	struct json_view value;
	bool taken;

	memcpy(exact, text, length);
	taken = json_view_open(&attempt, exact, length, &value) == FAIL_NONE ||
	        strstr(attempt.failure.message, "an object is expected") != NULL;
	free(exact);
	arena_free(attempt.arena);
	return taken;
}

static bool
class_is_taken(const struct json_view *class)
{
	return strcmp(text_of(class, "verdict"), "taken") == 0;
}

static void
check_text(const struct json_view *class, const char *hex)
{
	struct bytes text = suite_hex(task.arena, hex);

	ck_assert_msg(is_taken((const char *)text.data, text.length) == class_is_taken(class),
	              "%s: %.80s", text_of(class, "class"), (const char *)text.data);
}

START_TEST(test_texts)
{
	struct json_view class, texts, item;
	const char *hex;
	int count = 0;

	for (bool more = json_view_first(&classes, &class); more;
	     more = json_view_next(&class)) {
		bool other;

		ck_assert(json_view_member(&class, "texts", &texts));
		for (other = json_view_first(&texts, &item); other;
		     other = json_view_next(&item), count++) {
			ck_assert(json_view_text(&item, &hex));
			check_text(&class, hex);
		}
	}
	ck_assert_int_gt(count, 100);
}
END_TEST

/* The first class whose pattern matches the file's name. */
static bool
find_class(const char *name, struct json_view *class)
{
	for (bool more = json_view_first(&classes, class); more; more = json_view_next(class)) {
		regex_t pattern;
		bool matches;

		ck_assert_int_eq(
		        regcomp(&pattern, text_of(class, "like"), REG_EXTENDED | REG_NOSUB), 0);
		matches = regexec(&pattern, name, 0, NULL, 0) == 0;
		regfree(&pattern);
		if (matches)
			return true;
	}
	return false;
}

static void
check_file(const char *folder, const char *name)
{
	struct json_view class;
	size_t length;
	char *text;

	ck_assert_msg(find_class(name, &class), "no class of our own for %s", name);
	text = suite_read_bytes(task.arena, arena_printf(task.arena, "%s/%s", folder, name),
	                        &length);
	ck_assert_msg(is_taken(text, length) == class_is_taken(&class), "%s: %s", name,
	              text_of(&class, "class"));
}

START_TEST(test_every_published_text_has_a_class)
{
	const char *folder = suite_corpus(task.arena, "json-test-suite/test_parsing");
	struct dirent **entries;
	int count = folder == NULL ? 0 : scandir(folder, &entries, NULL, alphasort);

	for (int i = 0; i < count; i++) {
		if (entries[i]->d_name[0] != '.')
			check_file(folder, entries[i]->d_name);
		free(entries[i]);
	}
	if (folder != NULL)
		free(entries);
	ck_assert(folder == NULL || count > 300);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("JSON texts");
	TCase *tcase = tcase_create("texts.json");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_texts);
	tcase_add_test(tcase, test_every_published_text_has_a_class);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
