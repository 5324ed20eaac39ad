/* test_nearest.c: the known word that a misspelt one stands for. */
#include <string.h>

#include "support/suite.h"

#include "base/nearest.h"

static const char *const known[] = {"customer", "license", "keys", "LOG_LEVEL", "--json", NULL};

/* NULL: no word is near. */
static const struct {
	const char *word, *nearest;
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
	struct nearest nearest = nearest_begin(words[_i].word, strlen(words[_i].word));

	nearest_offer(&nearest, NULL);
	for (size_t i = 0; known[i] != NULL; i++)
		nearest_offer(&nearest, known[i]);
	if (words[_i].nearest == NULL)
		ck_assert_ptr_null(nearest.found);
	else
		ck_assert_pstr_eq(nearest.found, words[_i].nearest);
}
END_TEST

START_TEST(test_the_nearest_of_several)
{
	struct nearest nearest = nearest_begin("kex=5", 3);
	struct task task = suite_task();

	ck_assert_str_eq(nearest_question(task.arena, &nearest), "");
	nearest_offer(&nearest, "keys");
	nearest_offer(&nearest, "key");
	nearest_offer(&nearest, "kept");
	nearest_offer(&nearest, "hex");
	ck_assert_str_eq(nearest_question(task.arena, &nearest), "; did you mean key?");
	suite_task_end(&task);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("nearest");
	TCase *tcase = tcase_create("nearest");

	tcase_add_loop_test(tcase, test_words, 0, ROWS(words));
	tcase_add_test(tcase, test_the_nearest_of_several);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
