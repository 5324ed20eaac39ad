/* test_suggestion.c: the known word that a misspelt one stands for. */
#include <string.h>

#include "support/suite.h"

#include "base/suggestion.h"

static const char *const known[] = {"customer", "license", "keys", "LOG_LEVEL", "--json", NULL};

/* NULL: no word is near. */
static const struct {
	const char *word, *found;
} words[] = {
        {"custmer", "customer"},
        {"cutsomer", "customer"},
        {"licence", "license"},
        {"licenses", "license"},
        {"LICENSE", "license"},
        {"log_level", "LOG_LEVEL"},
        {"--jsn", "--json"},
        {"key", "keys"},
        {"kyes", NULL}, /* two edits of four letters */
        {"x", NULL},
        {"", NULL},
        {"cust", NULL},
        {"custoooomer", NULL},
        {"a-word-that-is-longer-than-any-that-the-table-of-distances-has-room-for", NULL},
};

START_TEST(test_words)
{
	struct suggestion suggestion = suggestion_begin(words[_i].word, strlen(words[_i].word));

	suggestion_offer(&suggestion, NULL);
	for (size_t i = 0; known[i] != NULL; i++)
		suggestion_offer(&suggestion, known[i]);
	if (words[_i].found == NULL)
		ck_assert_ptr_null(suggestion.found);
	else
		ck_assert_pstr_eq(suggestion.found, words[_i].found);
}
END_TEST

START_TEST(test_the_nearest_of_several)
{
	struct suggestion suggestion = suggestion_begin("kex=5", 3);
	struct task task = suite_task();

	ck_assert_str_eq(suggestion_question(task.arena, &suggestion), "");
	suggestion_offer(&suggestion, "keys");
	suggestion_offer(&suggestion, "key");
	suggestion_offer(&suggestion, "kept");
	suggestion_offer(&suggestion, "hex");
	ck_assert_str_eq(suggestion_question(task.arena, &suggestion), "; did you mean key?");
	suite_task_end(&task);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("suggestion");
	TCase *tcase = tcase_create("suggestion");

	tcase_add_loop_test(tcase, test_words, 0, ROWS(words));
	tcase_add_test(tcase, test_the_nearest_of_several);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
