/* test_connections.c: workers share the connections that are kept, and lose none with a worker. */
#include "support/suite.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "http/connections.h"
#include "http/fcgi.h"

enum { FIRST_FD = 200, PLACES = 2, PATIENCE_MS = 20000 };

static char folder[64];
static char path[80];
static int listen_fd;
static struct connections *connections;
static pid_t workers[2];

/* Answers each byte with its own process id. */
static void
work(void)
{
	struct connection found;
	sigset_t blocked;

	sigemptyset(&blocked);
	if (!connections_enter(connections))
		_exit(1);
	for (;;) {
		enum connections_found what =
		        connections_wait(connections, -1, &blocked, &found);
		pid_t self = getpid();
		char byte;

		if (what == CONNECTIONS_BROKEN)
			_exit(2);
		if (what != CONNECTIONS_REQUEST)
			continue;
		if (recv(found.fd, &byte, 1, 0) != 1 ||
		    send(found.fd, &self, sizeof(self), MSG_NOSIGNAL) != sizeof(self))
			_exit(3);
		if (byte == 'x')
			pause();
		connections_keep(connections, &found);
	}
}

static void
start_worker(size_t number)
{
	workers[number] = fork();
	ck_assert_int_ge(workers[number], 0);
	if (workers[number] == 0)
		work();
}

static void
end_worker(size_t number)
{
	ck_assert_int_eq(kill(workers[number], SIGKILL), 0);
	ck_assert_int_eq(waitpid(workers[number], NULL, 0), workers[number]);
	connections_release(connections, workers[number]);
	workers[number] = 0;
}

static void
setup(void)
{
	struct task task = suite_task();
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGIO);
	ck_assert_int_eq(sigprocmask(SIG_BLOCK, &signals, NULL), 0);
	strcpy(folder, "/tmp/billing-connections-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_gt(snprintf(path, sizeof(path), "%s/socket", folder), 0);
	ck_assert_int_eq(fcgi_listen(&task, path, &listen_fd), FAIL_NONE);
	connections = connections_new(listen_fd, FIRST_FD, PLACES);
	ck_assert_ptr_nonnull(connections);
	suite_task_end(&task);
}

static void
teardown(void)
{
	for (size_t i = 0; i < 2; i++)
		if (workers[i] != 0)
			end_worker(i);
	connections_free(connections);
	close(listen_fd);
	unlink(path);
	rmdir(folder);
}

static int
connect_peer(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	ck_assert_int_eq(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* The next bytes on the connection, while this process does the master's work. 0 at its end. */
static ssize_t
receive(int fd, void *out, size_t size)
{
	for (int waited_ms = 0; waited_ms < PATIENCE_MS; waited_ms++) {
		struct pollfd readable = {.fd = fd, .events = POLLIN};

		connections_attend(connections);
		if (poll(&readable, 1, 1) > 0)
			return recv(fd, out, size, 0);
	}
	ck_abort_msg("nothing was received");
	return -1;
}

/* The worker that answered. */
static pid_t
ask(int fd, char byte)
{
	pid_t pid;

	ck_assert_int_eq(send(fd, &byte, 1, MSG_NOSIGNAL), 1);
	ck_assert_int_eq(receive(fd, &pid, sizeof(pid)), (ssize_t)sizeof(pid));
	return pid;
}

static void
check_closed(int fd)
{
	char byte;
	ssize_t received = receive(fd, &byte, 1);

	ck_assert(received == 0 || (received < 0 && errno == ECONNRESET));
	close(fd);
}

/* Whether a second request is answered. Closes the connection otherwise. */
static bool
is_kept(int fd)
{
	pid_t pid;

	(void)ask(fd, 'c');
	if (send(fd, "d", 1, MSG_NOSIGNAL) == 1 && receive(fd, &pid, sizeof(pid)) > 0)
		return true;
	close(fd);
	return false;
}

/* Whether the second worker answers; false when the connection has ended. */
static bool
passes_on(int fd)
{
	pid_t pid = 0;
	bool answered =
	        send(fd, "b", 1, MSG_NOSIGNAL) == 1 && receive(fd, &pid, sizeof(pid)) > 0;

	close(fd);
	ck_assert(!answered || pid == workers[1]);
	return answered;
}

/* One connection comes by fork(). The other may be kept later, so it is asked for. A worker that is killed
 * between its answer and the keeping of the connection takes it with it: then false. */
static bool
gets_both(void)
{
	bool first_passes, second_passes;
	int first, second;

	start_worker(0);
	first = connect_peer();
	second = connect_peer();
	ck_assert_int_eq(ask(first, 'a'), workers[0]);
	start_worker(1);
	(void)ask(second, 'a');
	end_worker(0);
	first_passes = passes_on(first);
	second_passes = passes_on(second);
	return first_passes && second_passes;
}

START_TEST(a_worker_gets_connections_that_another_one_accepted)
{
	for (int tries = 0; !gets_both(); tries++) {
		ck_assert_int_lt(tries, 20);
		teardown();
		setup();
	}
}
END_TEST

START_TEST(a_dead_worker_takes_one_connection_with_it)
{
	int served, idle;

	start_worker(0);
	served = connect_peer();
	idle = connect_peer();
	ck_assert_int_eq(ask(idle, 'a'), workers[0]);
	ck_assert_int_eq(ask(served, 'a'), workers[0]);
	ck_assert_int_eq(ask(served, 'x'), workers[0]);
	/* It arrives while the only worker is busy. */
	ck_assert_int_eq(send(idle, "b", 1, MSG_NOSIGNAL), 1);
	end_worker(0);
	check_closed(served);
	start_worker(1);
	ck_assert_int_eq(receive(idle, &(pid_t){0}, sizeof(pid_t)), (ssize_t)sizeof(pid_t));
	close(idle);
}
END_TEST

START_TEST(without_a_free_place_a_connection_is_closed)
{
	int peers[PLACES + 1], again;

	start_worker(0);
	for (size_t i = 0; i <= PLACES; i++) {
		peers[i] = connect_peer();
		ck_assert_int_eq(ask(peers[i], 'a'), workers[0]);
	}
	check_closed(peers[PLACES]);
	for (size_t i = 0; i < PLACES; i++)
		ck_assert_int_eq(ask(peers[i], 'b'), workers[0]);
	close(peers[0]);
	/* Its place is free as soon as the worker has seen the end. */
	do
		again = connect_peer();
	while (!is_kept(again));
	close(again);
	close(peers[1]);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("connections");
	TCase *tcase = tcase_create("connections");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_worker_gets_connections_that_another_one_accepted);
	tcase_add_test(tcase, a_dead_worker_takes_one_connection_with_it);
	tcase_add_test(tcase, without_a_free_place_a_connection_is_closed);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
