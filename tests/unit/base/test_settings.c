/* test_settings.c: which source of a setting counts, and that mistakes are refused. */
#include "support/suite.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/secrets.h"
#include "base/settings.h"
#include "base/text.h"

struct sample {
	const char *name;
	const char *mode;
	const char *secret;
	int64_t number;
	bool flag;
};

static const char *const modes[] = {"fast", "slow", NULL};

static const char *
check_no_slash(const char *value)
{
	return strchr(value, '/') == NULL ? NULL : "must not have a slash";
}

#define ROW(member, ...) SETTING(struct sample, member, __VA_ARGS__)

static const struct setting table[] = {
        ROW(name, "TESTSET_NAME", "nobody", "A name.", .check = check_no_slash),
        ROW(mode, "TESTSET_MODE", "slow", "How.", .choices = modes),
        ROW(secret, "TESTSET_SECRET", "none", "A secret.", .secret = true),
        ROW(number, "TESTSET_NUMBER", "5", "A number.", .min = -1, .max = 10),
        ROW(flag, "TESTSET_FLAG", "off", "A flag."),
        SETTING_END("sample"),
};

static const struct setting required[] = {
        ROW(name, "TESTSET_NAME", NULL, "A name."),
        SETTING_END("sample"),
};

static struct task task;
static struct sample sample;
static char *folder, *path;

static void
write_file(const char *at, const char *text, mode_t mode)
{
	ck_assert_int_eq(file_write(&task, at, mode, text, strlen(text), true), FAIL_NONE);
}

/* The settings file; NULL makes none. */
static void
given(const char *text)
{
	path = NULL;
	if (text == NULL)
		return;
	path = arena_printf(task.arena, "%s/test.env", folder);
	write_file(path, text, 0644);
}

/* Removes this test's variables from the environment. */
static void
forget_environment(void)
{
	static const char *const more[] = {"TESTSET_SECRET_FILE", "TESTSET_NAME_FILE",
	                                   "TESTSET_NMAE",        "TESTSET_NUMBE",
	                                   "TESTSET_SECRET_FIL",  "TESTSET_OTHER_THING"};

	for (const struct setting *s = table; s->type != SETTING_STOP; s++)
		unsetenv(s->name);
	for (int i = 0; i < ROWS(more); i++)
		unsetenv(more[i]);
}

static void
setup(void)
{
	forget_environment();
	task = suite_task();
	memset(&sample, 0, sizeof(sample));
	folder = suite_folder(task.arena);
	path = NULL;
}

static void
teardown(void)
{
	forget_environment();
	suite_folder_remove(task.arena, folder);
	suite_task_end(&task);
}

static void
load(void)
{
	enum fail kind = settings_load(&task, table, path, SECRETS_ALL, &sample);

	ck_assert_msg(kind == FAIL_NONE, "%s", task.failure.message);
}

/* The message with which loading fails, one line. */
static const char *
refusal(void)
{
	enum fail kind = settings_load(&task, table, path, SECRETS_ALL, &sample);

	ck_assert_int_eq(kind, FAIL_INVALID);
	ck_assert_str_eq(task.failure.code, "invalid_setting");
	ck_assert_ptr_null(strchr(task.failure.message, '\n'));
	return task.failure.message;
}

START_TEST(test_defaults)
{
	load();
	ck_assert_str_eq(sample.name, "nobody");
	ck_assert_str_eq(sample.mode, "slow");
	ck_assert_str_eq(sample.secret, "none");
	ck_assert_int_eq(sample.number, 5);
	ck_assert(!sample.flag);
}
END_TEST

START_TEST(test_file)
{
	given("# a comment\n\n  # another\n\t\nTESTSET_NAME = \"a b # c\" "
	      "\r\nTESTSET_MODE='fast'\n"
	      "TESTSET_NUMBER=-1\nTESTSET_FLAG=on\nTESTSET_SECRET=x=y=\"z\"");
	load();
	ck_assert_str_eq(sample.name, "a b # c");
	ck_assert_str_eq(sample.mode, "fast");
	ck_assert_int_eq(sample.number, -1);
	ck_assert(sample.flag);
	ck_assert_str_eq(sample.secret, "x=y=\"z\"");
}
END_TEST

START_TEST(test_environment_wins)
{
	given("TESTSET_NAME=file\nTESTSET_NUMBER=1\n");
	setenv("TESTSET_NAME", "environment", 1);
	load();
	ck_assert_str_eq(sample.name, "environment");
	ck_assert_int_eq(sample.number, 1);
	/* An empty value is a value. */
	setenv("TESTSET_NAME", "", 1);
	load();
	ck_assert_str_eq(sample.name, "");
}
END_TEST

START_TEST(test_secret_file)
{
	char *secret = arena_printf(task.arena, "%s/secret", folder);
	char *other = arena_printf(task.arena, "%s/other", folder);

	write_file(secret, "from a file\n", 0600);
	write_file(other, "from another\n", 0600);
	given(arena_printf(task.arena, "TESTSET_SECRET_FILE=%s\n", other));
	load();
	ck_assert_str_eq(sample.secret, "from another");
	setenv("TESTSET_SECRET_FILE", secret, 1);
	load();
	ck_assert_str_eq(sample.secret, "from a file");
	setenv("TESTSET_SECRET", "direct", 1);
	load();
	ck_assert_str_eq(sample.secret, "direct");
}
END_TEST

START_TEST(test_secret_file_faults)
{
	char *secret = arena_printf(task.arena, "%s/secret", folder);

	setenv("TESTSET_SECRET_FILE", secret, 1);
	ck_assert_int_ne(settings_load(&task, table, NULL, SECRETS_ALL, &sample), FAIL_NONE);
	ck_assert_str_eq(task.failure.code, "file_unreadable");
	task_clear(&task);
	write_file(secret, "too open", 0644);
	ck_assert_int_eq(chmod(secret, 0644), 0);
	ck_assert_int_eq(settings_load(&task, table, NULL, SECRETS_ALL, &sample),
	                 FAIL_FORBIDDEN);
	ck_assert_str_eq(task.failure.code, "file_too_open");
	ck_assert_ptr_null(strstr(task.failure.message, "too open\""));
}
END_TEST

static const struct {
	const char *file, *says;
} bad_files[] = {
        {"TESTSET_NAME=a\nTESTSET_NUMBERS=1\n", "TESTSET_NUMBERS"},
        {"\n\nTESTSET_NUMBERS=1\n", "line 3"},
        {"just words\n", "line 1"},
        {"just words\n", "NAME=value"},
        {"=5\n", "unknown"},
        {"TESTSET=5\n", "unknown"},
        {"testset_name=5\n", "unknown; did you mean TESTSET_NAME?"},
        {"TESTSET_NMBER=5\n", "TESTSET_NMBER ("},
        {"TESTSET_NMBER=5\n", "is unknown; did you mean TESTSET_NUMBER?"},
        {"TESTSET_ENTIRELY_OTHER=5\n", "is unknown; sample --settings lists them all"},
        {"export TESTSET_NAME=5\n", "unknown"},
        /* Only a secret can be given by its file. */
        {"TESTSET_NAME_FILE=/etc/passwd\n", "TESTSET_NAME_FILE"},
        {"TESTSET_NUMBER=11\n", "must be a number from -1 to 10"},
        {"TESTSET_NUMBER=11\n", "(settings file)"},
        {"TESTSET_NUMBER=-2\n", "must be a number from -1 to 10"},
        {"TESTSET_NUMBER=\n", "must be a number from -1 to 10"},
        {"TESTSET_NUMBER=5x\n", "must be a number from -1 to 10"},
        {"TESTSET_NUMBER=05\n", "must be a number from -1 to 10"},
        {"TESTSET_NUMBER=99999999999999999999\n", "must be a number from -1 to 10"},
        {"TESTSET_FLAG=yes\n", "must be on or off"},
        {"TESTSET_FLAG=\n", "must be on or off"},
        {"TESTSET_FLAG=ON\n", "must be on or off"},
        {"TESTSET_MODE=medium\n", "must be one of fast slow"},
        {"TESTSET_MODE=fas\n", "must be one of fast slow"},
        {"TESTSET_NAME=a/b\n", "must not have a slash"},
};

START_TEST(test_bad_files)
{
	given(bad_files[_i].file);
	ck_assert_msg(strstr(refusal(), bad_files[_i].says) != NULL, "%s", refusal());
}
END_TEST

static const struct {
	const char *name, *value, *says;
} bad_environments[] = {
        {"TESTSET_NMAE", "x", "did you mean TESTSET_NAME?"},
        {"TESTSET_NUMBE", "1", "did you mean TESTSET_NUMBER?"},
        {"TESTSET_NUMBER", "eleven", "(environment)"},
        {"TESTSET_FLAG", "1", "setting TESTSET_FLAG (environment) must be on or off"},
        {"TESTSET_MODE", "", "must be one of fast slow"},
};

START_TEST(test_bad_environments)
{
	setenv(bad_environments[_i].name, bad_environments[_i].value, 1);
	ck_assert_msg(strstr(refusal(), bad_environments[_i].says) != NULL, "%s", refusal());
}
END_TEST

/* Variables of other programs are ignored, even with the same first letters. */
START_TEST(test_strangers_in_the_environment)
{
	setenv("TESTSET_OTHER_THING", "x", 1);
	load();
}
END_TEST

/* A bad value of a secret is not repeated in the message, which is printed and logged. */
START_TEST(test_values_are_not_repeated)
{
	setenv("TESTSET_NUMBER", "hunter2", 1);
	ck_assert_ptr_null(strstr(refusal(), "hunter2"));
}
END_TEST

START_TEST(test_missing_file)
{
	path = arena_printf(task.arena, "%s/none.env", folder);
	ck_assert_int_ne(settings_load(&task, table, path, SECRETS_ALL, &sample), FAIL_NONE);
	ck_assert_ptr_nonnull(strstr(task.failure.message, path));
}
END_TEST

START_TEST(test_required)
{
	ck_assert_int_eq(settings_load(&task, required, NULL, SECRETS_ALL, &sample),
	                 FAIL_INVALID);
	ck_assert_ptr_nonnull(strstr(task.failure.message, "is required"));
	task_clear(&task);
	setenv("TESTSET_NAME", "x", 1);
	ck_assert_int_eq(settings_load(&task, required, NULL, SECRETS_ALL, &sample), FAIL_NONE);
	ck_assert_str_eq(sample.name, "x");
}
END_TEST

/* Loaded values are copies in the arena. */
START_TEST(test_values_are_copies)
{
	char entry[] = "TESTSET_NAME=before";

	ck_assert_int_eq(putenv(entry), 0);
	load();
	memcpy(strchr(entry, '=') + 1, "after!", 6);
	ck_assert_str_eq(sample.name, "before");
	unsetenv("TESTSET_NAME");
}
END_TEST

/* A secret that is not wanted is neither read nor kept. */
START_TEST(test_withheld_secrets)
{
	given("TESTSET_SECRET = 'of the file'\nTESTSET_NUMBER=7\n");
	ck_assert_int_eq(settings_load(&task, table, path, 2, &sample), FAIL_NONE);
	ck_assert_str_eq(sample.secret, "");
	ck_assert_int_eq(sample.number, 7);
	given("TESTSET_SECRET_FILE=/nonexistent\n");
	ck_assert_int_eq(settings_load(&task, table, path, 2, &sample), FAIL_NONE);
	ck_assert_str_eq(sample.secret, "");
}
END_TEST

/* The environment's secret moves into a memory file; it still wins over the settings file. */
START_TEST(test_hidden_secrets)
{
	char *value;

	ck_assert_int_eq(setenv("TESTSET_SECRET", "canary", 1), 0);
	value = getenv("TESTSET_SECRET");
	ck_assert(secrets_hide(table, SECRETS_ALL));
	ck_assert_ptr_null(getenv("TESTSET_SECRET"));
	ck_assert_str_eq(value, "");
	given("TESTSET_SECRET=of the file\n");
	load();
	ck_assert_str_eq(sample.secret, "canary");
	secrets_close_hidden();
	ck_assert_int_ne(settings_load(&task, table, path, SECRETS_ALL, &sample), FAIL_NONE);
	ck_assert_int_eq(setenv("TESTSET_SECRET", "canary", 1), 0);
	ck_assert_int_eq(unsetenv("TESTSET_SECRET_FILE"), 0);
	ck_assert(secrets_hide(table, 2));
	load();
	ck_assert_str_eq(sample.secret, "of the file");
}
END_TEST

START_TEST(test_stored_secrets)
{
	int file = secrets_open();
	struct sample other = {.name = "other"};

	given("TESTSET_SECRET=canary\n");
	load();
	ck_assert_int_ge(file, 0);
	ck_assert(!secrets_read(task.arena, file, table, SECRETS_ALL, &other));
	ck_assert(secrets_write(file, table, &sample));
	ck_assert(secrets_read(task.arena, file, table, 2, &other));
	ck_assert_ptr_null(other.secret);
	ck_assert(secrets_read(task.arena, file, table, SECRETS_ALL, &other));
	ck_assert_str_eq(other.secret, "canary");
	ck_assert_str_eq(other.name, "other");
	close(file);
}
END_TEST

/* A sanitizer's build stays readable. */
START_TEST(test_process_protect)
{
	struct rlimit limit;

	process_protect();
	ck_assert_int_eq(getrlimit(RLIMIT_CORE, &limit), 0);
	ck_assert_uint_eq(limit.rlim_cur, 0);
#ifndef __SANITIZE_ADDRESS__
	ck_assert_int_eq(prctl(PR_GET_DUMPABLE), 0);
#endif
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("settings");
	TCase *tcase = tcase_create("settings");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_defaults);
	tcase_add_test(tcase, test_file);
	tcase_add_test(tcase, test_environment_wins);
	tcase_add_test(tcase, test_secret_file);
	tcase_add_test(tcase, test_secret_file_faults);
	tcase_add_loop_test(tcase, test_bad_files, 0, ROWS(bad_files));
	tcase_add_loop_test(tcase, test_bad_environments, 0, ROWS(bad_environments));
	tcase_add_test(tcase, test_strangers_in_the_environment);
	tcase_add_test(tcase, test_values_are_not_repeated);
	tcase_add_test(tcase, test_missing_file);
	tcase_add_test(tcase, test_required);
	tcase_add_test(tcase, test_process_protect);
	tcase_add_test(tcase, test_withheld_secrets);
	tcase_add_test(tcase, test_hidden_secrets);
	tcase_add_test(tcase, test_stored_secrets);
	tcase_add_test(tcase, test_values_are_copies);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
