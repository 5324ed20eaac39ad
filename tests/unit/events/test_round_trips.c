/* test_round_trips.c: writing events costs no round trip to the database: counted by a relay between the
 * service and PostgreSQL. */
#include "support/billing_fixture.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "db/internal.h"
#include "events/log.h"

static struct {
	pthread_t thread;
	int listener;
	char *folder;
	const char *server; /* path of PostgreSQL's socket */
	atomic_int trips;   /* times that the client spoke after the server */
} relay;

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

static bool
pass(int from, int to)
{
	char bytes[65536];
	ssize_t count = read(from, bytes, sizeof(bytes));

	return count > 0 && write(to, bytes, (size_t)count) == count;
}

static void *
run_relay(void *unused)
{
	struct pollfd sides[2] = {{.events = POLLIN}, {.events = POLLIN}};
	bool open = true, server_spoke = true;

	(void)unused;
	sides[0].fd = accept(relay.listener, NULL, NULL);
	sides[1].fd = unix_socket(relay.server, false);
	while (open && poll(sides, 2, -1) > 0) {
		if (sides[0].revents != 0) {
			atomic_fetch_add(&relay.trips, server_spoke);
			server_spoke = false;
			open = pass(sides[0].fd, sides[1].fd);
		} else {
			server_spoke = true;
			open = pass(sides[1].fd, sides[0].fd);
		}
	}
	close(sides[0].fd);
	close(sides[1].fd);
	return NULL;
}

/* From now on all statements go by the relay. */
static void
setup(void)
{
	const char *url;

	relay.folder = suite_folder(task.arena);
	relay.server = arena_printf(task.arena, "%s/.s.PGSQL.5432",
	                            db_url_part(task.arena, database_url(), "host"));
	relay.listener =
	        unix_socket(arena_printf(task.arena, "%s/.s.PGSQL.5432", relay.folder), true);
	ck_assert_int_eq(pthread_create(&relay.thread, NULL, run_relay, NULL), 0);
	url = arena_printf(task.arena,
	                   "postgresql:///billing_test?host=%s&port=5432&user=postgres",
	                   relay.folder);
	db_free(operation.db);
	operation.db = database_open(url, DATABASE_PATIENT_MS, true);
}

static void
teardown(void)
{
	db_disconnect(operation.db);
	ck_assert_int_eq(pthread_join(relay.thread, NULL), 0);
	close(relay.listener);
	suite_folder_remove(task.arena, relay.folder);
}

/* One transaction with a change and so many events: the round trips that it took. */
static int
transaction(int events)
{
	int before = atomic_load(&relay.trips);

	fine(db_begin(operation.db, &task));
	fine(subscription_touch(&operation, customer_id));
	for (int i = 0; i < events; i++)
		fine(event_write(&operation, EVENT_KEY_CREATED, customer_id, "{}"));
	fine(db_commit(operation.db, &task));
	return atomic_load(&relay.trips) - before;
}

START_TEST(test_a_transaction)
{
	(void)transaction(1);
	ck_assert_int_eq(transaction(0), 3);
	ck_assert_int_eq(transaction(1), 3);
	ck_assert_int_eq(transaction(40), 3);
}
END_TEST

static int
sign_up(const char *name)
{
	const char *mail = arena_printf(task.arena, "%s%s@example.com", name,
	                                random_id(task.arena, "", 8));
	int before = atomic_load(&relay.trips);
	struct sign_up made = {0};

	fine(account_sign_up(&operation, mail, "Acme", &made));
	return atomic_load(&relay.trips) - before;
}

START_TEST(test_a_sign_up_and_a_licence)
{
	struct license_view view = {0};
	struct issued_license license;
	int before;

	(void)sign_up("a");
	ck_assert_int_eq(sign_up("b"), 1);
	/* The first time it is prepared. */
	for (int i = 0; i < 2; i++) {
		operation.now_ms += 2 * DAY_MS;
		before = atomic_load(&relay.trips);
		fine(license_view_read(&operation, NULL, customer_id, &view));
		fine(license_issue(&operation, &view, &license));
		ck_assert(license.fresh);
	}
	ck_assert_int_eq(atomic_load(&relay.trips) - before, 2);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("event_round_trips");
	TCase *tcase = fixture_case("event_round_trips");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_a_transaction);
	tcase_add_test(tcase, test_a_sign_up_and_a_licence);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
