/* test_pooler.c: a pooler between the service and PostgreSQL loses the server. */
#include "support/transaction_fixture.h"

#include <endian.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "db/internal.h"
#include "db/server.h"

/* A pooler for one client: it passes on what both sides send. After the client has sent the
 * text `trigger`, the server's answer is dropped and the pooler's error takes its place. */
struct pooler {
	pthread_t thread;
	int listener;
	char *folder;
	const char *server; /* path of PostgreSQL's socket */
	const char *trigger;
	const char *severity, *message;
};

static struct pooler pooler;

static int
unix_socket(const char *path, bool listens)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (listens) {
		ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
		ck_assert_int_eq(listen(fd, 1), 0);
	} else if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		abort();
	}
	return fd;
}

/* PgBouncer's error: severity, SQLSTATE and message, and no source file. */
static void
send_error(int client)
{
	char fields[200], head[5] = {'E'};
	int length = snprintf(fields, sizeof(fields), "S%s%cC08P01%cM%s%c", pooler.severity, 0,
	                      0, pooler.message, 0) +
	             1;
	uint32_t size = htobe32((uint32_t)length + 4);

	memcpy(head + 1, &size, sizeof(size));
	if (write(client, head, sizeof(head)) != sizeof(head) ||
	    write(client, fields, (size_t)length) != length)
		abort();
}

/* Passes on what one side sent; false at its end. */
static bool
pass(int from, int to, bool *triggered)
{
	char bytes[65536];
	ssize_t count = read(from, bytes, sizeof(bytes));

	if (count <= 0)
		return false;
	if (triggered != NULL &&
	    memmem(bytes, (size_t)count, pooler.trigger, strlen(pooler.trigger)) != NULL)
		*triggered = true;
	return write(to, bytes, (size_t)count) == count;
}

static void *
run_pooler(void *unused)
{
	struct pollfd sides[2] = {{.events = POLLIN}, {.events = POLLIN}};
	bool triggered = false, open = true;
	char dropped[65536];

	(void)unused;
	sides[0].fd = accept(pooler.listener, NULL, NULL);
	sides[1].fd = unix_socket(pooler.server, false);
	while (open && poll(sides, 2, -1) > 0) {
		if (sides[1].revents != 0 && triggered) {
			if (read(sides[1].fd, dropped, sizeof(dropped)) > 0)
				send_error(sides[0].fd);
			break;
		}
		if (sides[0].revents != 0)
			open = pass(sides[0].fd, sides[1].fd, &triggered);
		else if (sides[1].revents != 0)
			open = pass(sides[1].fd, sides[0].fd, NULL);
	}
	close(sides[0].fd);
	close(sides[1].fd);
	return NULL;
}

static void
pooled_setup(void)
{
	setup();
	pooler = (struct pooler){
	        .folder = suite_folder(task.arena),
	        .server = arena_printf(task.arena, "%s/.s.PGSQL.5432",
	                               db_url_part(task.arena, database_url(), "host")),
	        .severity = "FATAL",
	        .message = "server conn crashed?"};
	pooler.listener =
	        unix_socket(arena_printf(task.arena, "%s/.s.PGSQL.5432", pooler.folder), true);
}

static void
pooled_teardown(void)
{
	db_disconnect(db);
	ck_assert_int_eq(pthread_join(pooler.thread, NULL), 0);
	close(pooler.listener);
	suite_folder_remove(task.arena, pooler.folder);
	teardown();
}

/* Connects through the pooler, which loses the server after the text. */
static void
open_pooled(const char *trigger)
{
	pooler.trigger = trigger;
	ck_assert_int_eq(pthread_create(&pooler.thread, NULL, run_pooler, NULL), 0);
	db = database_open(arena_printf(task.arena,
	                                "host=%s port=5432 user=postgres dbname=billing_test",
	                                pooler.folder),
	                   2000, false);
}

START_TEST(test_lost_after_commit)
{
	open_pooled("COMMIT");
	begin();
	ck_assert_int_eq(add("1"), FAIL_NONE);
	ck_assert_int_eq(db_commit(db, &task), FAIL_UNCERTAIN);
	ck_assert_str_eq(task.failure.code, "outcome_unknown");
	failed(FAIL_UNCERTAIN);
	ck_assert_int_eq(stored(), 10);
}
END_TEST

START_TEST(test_lost_after_a_statement_that_commits)
{
	open_pooled("INSERT");
	ck_assert_int_eq(add("1"), FAIL_UNCERTAIN);
	ck_assert_str_eq(task.failure.code, "outcome_unknown");
	failed(FAIL_UNCERTAIN);
	ck_assert_int_eq(stored(), 10);
}
END_TEST

/* In a transaction the statement is not committed. */
START_TEST(test_lost_in_a_transaction)
{
	open_pooled("INSERT");
	begin();
	ck_assert_int_eq(add("1"), FAIL_UNAVAILABLE);
	failed(FAIL_UNAVAILABLE);
	db_rollback_to(db, 0);
	ck_assert_int_eq(stored(), 0);
}
END_TEST

/* A pooler that refuses to send the statement says so, and nothing has happened. */
START_TEST(test_refused_by_the_pooler)
{
	static const char *const messages[] = {
	        "query_wait_timeout", "pgbouncer cannot connect to server",
	        "server login has been failing, try again later (server_login_retry)"};

	pooler.message = messages[_i];
	open_pooled("INSERT");
	ck_assert_int_eq(add("1"), FAIL_UNAVAILABLE);
	failed(FAIL_UNAVAILABLE);
}
END_TEST

/* As behind a pooler in transaction mode, another client has prepared the name, or the session is
 * another one. Prepared statements are given up, and the statement runs. */
START_TEST(test_prepared_by_another_client)
{
	static const char *const others[] = {
	        "PREPARE test_insert AS SELECT 1",
	        "DEALLOCATE ALL",
	};

	setup();
	db = database_open(database_url(), 2000, true);
	if (_i == 1)
		ck_assert_int_eq(add("1"), FAIL_NONE);
	database_script(db, &task, others[_i]);
	ck_assert_msg(add("2") == FAIL_NONE, "%s", task.failure.message);
	ck_assert(!db->options.prepared);
	ck_assert_ptr_nonnull(strstr(db_last_error(db), "prepared statement"));
	ck_assert_int_eq(add("3"), FAIL_NONE);
	ck_assert_int_eq(stored(), _i == 0 ? 1100 : 1110);
	teardown();
}
END_TEST

/* A check leaves no name behind in the session, which a pooler gives to its next client. */
START_TEST(test_checking_leaves_no_name)
{
	setup();
	db = database_open(database_url(), 2000, true);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(db_check_statement(db, &task, &insert), FAIL_NONE);
	ck_assert_int_eq(
	        database_number(db, &task,
	                        "SELECT count(*) FROM pg_prepared_statements WHERE name = "
	                        "'test_insert'"),
	        0);
	teardown();
}
END_TEST

START_TEST(test_missing_setting_of_the_pooler)
{
	ck_assert_ptr_null(server_pooler_lacks(NULL));
	ck_assert_ptr_null(server_pooler_lacks("Connection refused"));
	ck_assert_str_eq(server_pooler_lacks("connection to server at \"localhost\" failed: "
	                                     "FATAL:  unsupported startup parameter: options"),
	                 "ignore_startup_parameters = options");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("db_pooler");
	TCase *tcase = tcase_create("pooler"), *sessions = tcase_create("sessions");

	tcase_add_checked_fixture(tcase, pooled_setup, pooled_teardown);
	tcase_add_test(tcase, test_lost_after_commit);
	tcase_add_test(tcase, test_lost_after_a_statement_that_commits);
	tcase_add_test(tcase, test_lost_in_a_transaction);
	tcase_add_loop_test(tcase, test_refused_by_the_pooler, 0, 3);
	tcase_add_loop_test(sessions, test_prepared_by_another_client, 0, 2);
	tcase_add_test(sessions, test_checking_leaves_no_name);
	tcase_add_test(sessions, test_missing_setting_of_the_pooler);
	suite_add_tcase(suite, tcase);
	suite_add_tcase(suite, sessions);
	return suite_run(suite);
}
