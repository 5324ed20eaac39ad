/* test_connect.c: while the database is absent requests fail quickly; afterwards it is found
 * again. */
#include "support/database.h"
#include "support/folder_fixture.h"

#include <libpq-fe.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/text.h"
#include "db/server.h"

static struct db *db;

static void
setup(void)
{
	folder_setup();
	db = NULL;
}

static void
teardown(void)
{
	db_free(db);
	folder_teardown();
}

/* TEST_DATABASE_URL with some of its values replaced. */
static const char *
url_with(const char *keyword, const char *value)
{
	PQconninfoOption *options = PQconninfoParse(database_url(), NULL);
	struct text url = text_new(task.arena, 256);

	ck_assert_ptr_nonnull(options);
	for (PQconninfoOption *o = options; o->keyword != NULL; o++)
		if (o->val != NULL && strcmp(o->keyword, keyword) != 0)
			text_printf(&url, "%s='%s' ", o->keyword, o->val);
	PQconninfoFree(options);
	text_printf(&url, "%s='%s'", keyword, value);
	return url.data;
}

/* A value of TEST_DATABASE_URL, or NULL. */
static const char *
value_of(const char *keyword)
{
	PQconninfoOption *options = PQconninfoParse(database_url(), NULL);
	const char *found = NULL;

	ck_assert_ptr_nonnull(options);
	for (PQconninfoOption *o = options; o->keyword != NULL; o++)
		if (o->val != NULL && strcmp(o->keyword, keyword) == 0)
			found = arena_copy(task.arena, o->val);
	PQconninfoFree(options);
	return found;
}

/* The folder of the server's socket. */
static const char *
host(void)
{
	const char *found = value_of("host");

	ck_assert_msg(found != NULL && *found == '/',
	              "TEST_DATABASE_URL has no socket's folder");
	return found;
}

static const char *
port(void)
{
	const char *found = value_of("port");

	return found == NULL ? "5432" : found;
}

/* Tries to connect; the time that libpq took, 0 when the back-off refused. */
static int64_t
refused(void)
{
	task_clear(&task);
	(void)db_take_waited_us(db);
	ck_assert_int_eq(db_connect(db, &task), FAIL_UNAVAILABLE);
	ck_assert_str_eq(task.failure.code, "database_unavailable");
	/* The message names no host, no user and no reason. */
	ck_assert_ptr_null(strstr(task.failure.message, "/"));
	task_clear(&task);
	return db_take_waited_us(db);
}

START_TEST(test_refused_and_back)
{
	char *place = arena_printf(task.arena, "%s/later", folder);
	int64_t tried_us = clock_monotonic_us();
	struct instant now;

	db = database_open(url_with("host", place), 1000, true);
	ck_assert_int_gt(refused(), 0);
	/* The back-off begins with 100 ms and doubles. */
	for (int64_t pause_us = 100000; pause_us <= 200000; pause_us *= 2) {
		int64_t last_us = tried_us;

		do {
			usleep(1000);
			tried_us = clock_monotonic_us();
		} while (refused() == 0);
		ck_assert_int_ge(clock_monotonic_us() - last_us, pause_us);
	}
	ck_assert_int_eq(symlink(host(), place), 0);
	while (db_connect(db, &task) != FAIL_NONE) {
		task_clear(&task);
		usleep(5000);
	}
	ck_assert_int_eq(db_clock(db, &task, &now), FAIL_NONE);
}
END_TEST

/* A socket that closes the first connection, and is then the real server's. */
struct hanging {
	pthread_t thread;
	int listener;
	const char *path, *real;
};

static void *
hang_up_once(void *argument)
{
	struct hanging *hanging = argument;
	int peer = accept(hanging->listener, NULL, NULL);

	if (peer < 0 || unlink(hanging->path) != 0 ||
	    symlink(hanging->real, hanging->path) != 0)
		abort();
	close(peer);
	return NULL;
}

/* Connects. A refusal within 100 ms is tried once more at once, so the caller does not see it. On
 * a slow machine the refusal itself takes longer: then the back-off begins, and after it a
 * connection opens. */
static void
connect_or_be_slow(void)
{
	(void)db_take_waited_us(db);
	if (db_connect(db, &task) == FAIL_NONE)
		return;
	ck_assert_int_gt(db_take_waited_us(db), 100000);
	do {
		task_clear(&task);
		usleep(1000);
	} while (db_connect(db, &task) != FAIL_NONE);
}

START_TEST(test_cut_off_while_connecting)
{
	struct hanging hanging = {.listener = socket(AF_UNIX, SOCK_STREAM, 0)};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct instant now;

	hanging.path = arena_printf(task.arena, "%s/.s.PGSQL.%s", folder, port());
	hanging.real = arena_printf(task.arena, "%s/.s.PGSQL.%s", host(), port());
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", hanging.path);
	ck_assert_int_eq(bind(hanging.listener, (struct sockaddr *)&address, sizeof(address)),
	                 0);
	ck_assert_int_eq(listen(hanging.listener, 1), 0);
	ck_assert_int_eq(pthread_create(&hanging.thread, NULL, hang_up_once, &hanging), 0);
	db = database_open(url_with("host", folder), 1000, true);
	connect_or_be_slow();
	ck_assert_int_eq(db_clock(db, &task, &now), FAIL_NONE);
	ck_assert_int_eq(pthread_join(hanging.thread, NULL), 0);
	close(hanging.listener);
}
END_TEST

/* The pause has a bound: a second after the database is back it is found. */
START_TEST(test_the_pause_is_bounded)
{
	char *place = arena_printf(task.arena, "%s/later", folder);
	int64_t start_us = clock_monotonic_us(), end = start_us + 3500000;
	int tries = 0;

	db = database_open(url_with("host", place), 1000, true);
	while (clock_monotonic_us() < end) {
		tries += refused() > 0;
		usleep(5000);
	}
	/* At 0, 0.1, 0.3, 0.7, 1.5, 2.5, 3.5 seconds; later on a busy machine. */
	ck_assert_int_le(tries, 7);
	while (tries < 11) {
		tries += refused() > 0;
		usleep(5000);
	}
	/* At 7.5 seconds; without a bound at 102.3, and the next at 204.7. */
	ck_assert_int_lt(clock_monotonic_us() - start_us, 60000000);
	ck_assert_int_eq(symlink(host(), place), 0);
	end = clock_monotonic_us() + 30000000;
	while (db_connect(db, &task) != FAIL_NONE && clock_monotonic_us() < end) {
		task_clear(&task);
		usleep(5000);
	}
	ck_assert_int_eq(db_connect(db, &task), FAIL_NONE);
}
END_TEST

START_TEST(test_everything_says_unavailable)
{
	static const struct statement statement = {.name = "test_nothing", .sql = "SELECT"};
	struct instant now;

	db = database_open(url_with("host", "/nowhere"), 1000, _i == 0);
	ck_assert_int_eq(db_run(db, &task, &statement, NO_PARAMETERS, NULL), FAIL_UNAVAILABLE);
	task_clear(&task);
	ck_assert_int_eq(db_begin(db, &task), FAIL_UNAVAILABLE);
	ck_assert_int_eq(db_depth(db), 0);
	task_clear(&task);
	ck_assert_int_eq(db_commit(db, &task), FAIL_UNAVAILABLE);
	task_clear(&task);
	ck_assert_int_eq(db_clock(db, &task, &now), FAIL_UNAVAILABLE);
	task_clear(&task);
	ck_assert_int_eq(db_script(db, &task, "SELECT 1"), FAIL_UNAVAILABLE);
	task_clear(&task);
	ck_assert_int_eq(db_check_statement(db, &task, &statement), FAIL_UNAVAILABLE);
	db_rollback_to(db, 0);
}
END_TEST

START_TEST(test_other_ways_to_be_refused)
{
	static const struct {
		const char *keyword, *value;
	} ways[] = {{"dbname", "no_such_database"}, {"user", "no_such_role"}, {"port", "1"}};

	db = database_open(url_with(ways[_i].keyword, ways[_i].value), 1000, true);
	ck_assert_int_gt(refused(), 0);
}
END_TEST

START_TEST(test_not_a_url)
{
	static const char *const urls[] = {"nonsense", "postgresql://[", "host='unended",
	                                   "no_such_option=1"};

	db = database_open(urls[_i], 1000, true);
	(void)refused();
}
END_TEST

/* A session has our parameters, whatever the server's defaults. */
START_TEST(test_session)
{
	static const struct {
		const char *name, *value;
	} wanted[] = {
	        {"TimeZone", "UTC"},         {"statement_timeout", "1234ms"},
	        {"lock_timeout", "1234ms"},  {"idle_in_transaction_session_timeout", "2468ms"},
	        {"client_encoding", "UTF8"}, {"application_name", "billing unit tests"}};

	db = database_open(database_url(), 1234, false);
	for (int i = 0; i < ROWS(wanted); i++)
		ck_assert_msg(
		        database_number(db, &task,
		                        arena_printf(task.arena,
		                                     "(current_setting('%s') = '%s')::int",
		                                     wanted[i].name, wanted[i].value)) == 1,
		        "%s", wanted[i].name);
}
END_TEST

/* Options of the connection string are kept, or else those of PGOPTIONS; ours win. */
START_TEST(test_options_are_kept)
{
	const char *given = "-c search_path=app -c statement_timeout=1";
	const char *wanted = "(current_setting('search_path') = 'app' AND "
	                     "current_setting('statement_timeout') = '1234ms')::int";

	if (_i == 1)
		ck_assert_int_eq(setenv("PGOPTIONS", given, 1), 0);
	db = database_open(_i == 0 ? url_with("options", given) : database_url(), 1234, false);
	ck_assert_int_eq(database_number(db, &task, wanted), 1);
	(void)unsetenv("PGOPTIONS");
}
END_TEST

/* The host that answered last is tried first. The first one of the list accepts no more
 * connections than its queue holds, and then is silent. */
START_TEST(test_the_last_good_host_first)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int silent = socket(AF_UNIX, SOCK_STREAM, 0);
	const char *url = url_with("host", arena_printf(task.arena, "%s,%s", folder, host()));
	struct db *second;
	int64_t start_us;

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/.s.PGSQL.%s", folder,
	               port());
	ck_assert_int_eq(bind(silent, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(silent, 8), 0);
	url = arena_printf(task.arena, "%s connect_timeout=6", url);
	db = database_open(url, 1000, true);
	start_us = clock_monotonic_us();
	ck_assert_int_eq(db_connect(db, &task), FAIL_NONE);
	/* The string's own limit counts, not the 3 seconds that are usual. */
	ck_assert_int_ge(clock_monotonic_us() - start_us, 5500000);
	second = database_open(url, 1000, true);
	start_us = clock_monotonic_us();
	ck_assert_int_eq(db_connect(second, &task), FAIL_NONE);
	ck_assert_int_lt(clock_monotonic_us() - start_us, 5500000);
	db_free(second);
	close(silent);
}
END_TEST

/* With pause_ms a transaction may be idle for longer. */
START_TEST(test_pause)
{
	const struct db_options options = {
	        .url = database_url(), .statement_timeout_ms = 1000, .pause_ms = 10000};
	const char *wanted =
	        "(current_setting('idle_in_transaction_session_timeout') = '12s')::int";

	db = db_new(&options);
	ck_assert_int_eq(database_number(db, &task, wanted), 1);
}
END_TEST

START_TEST(test_free)
{
	db_free(NULL);
	db = database_open(database_url(), 1000, true);
	ck_assert_int_eq(db_connect(db, &task), FAIL_NONE);
	ck_assert_int_eq(db_connect(db, &task), FAIL_NONE);
}
END_TEST

/* doctor asks for TLS only where the connection leaves the host. */
START_TEST(test_remote)
{
	ck_assert(!server_is_remote(NULL) && !server_is_remote("") &&
	          !server_is_remote("/run"));
	ck_assert(!server_is_remote("127.0.0.1") && !server_is_remote("::1"));
	ck_assert(server_is_remote("192.0.2.7") && server_is_remote("2001:db8::1"));
	ck_assert(server_is_remote("12.7.0.1"));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("db_connect");
	TCase *tcase = tcase_create("connect");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_refused_and_back);
	tcase_add_test(tcase, test_cut_off_while_connecting);
	tcase_add_test(tcase, test_the_pause_is_bounded);
	tcase_add_loop_test(tcase, test_everything_says_unavailable, 0, 2);
	tcase_add_loop_test(tcase, test_other_ways_to_be_refused, 0, 3);
	tcase_add_loop_test(tcase, test_not_a_url, 0, 4);
	tcase_add_test(tcase, test_session);
	tcase_add_loop_test(tcase, test_options_are_kept, 0, 2);
	tcase_add_test(tcase, test_the_last_good_host_first);
	tcase_add_test(tcase, test_pause);
	tcase_add_test(tcase, test_free);
	tcase_add_test(tcase, test_remote);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
