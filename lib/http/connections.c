/* connections.c: the connections of nginx to one pool of workers. */
#include "http/connections.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "http/fd_messages.h"

enum { OWNER_NONE = 0, OWNER_IDLE = -1, ANSWER_SECONDS = 10, FIRST_BYTE_MS = 5 };
static const uint64_t listener = UINT64_MAX;

/* One kept connection. Its owner is the process that serves it: no other one reads from it. */
struct place {
	atomic_int owner;
	atomic_uint generation; /* counts the connections that this place has had */
};

/* Memory that all processes share. */
struct board {
	atomic_bool more;   /* further new connections may wait */
	atomic_size_t used; /* places from here on were never used */
	struct place places[];
};

struct connections {
	int listen_fd;
	int epoll_fd;
	int first_fd;
	int desk[2];    /* workers write notes to the second, the master reads the first */
	int answers[2]; /* the master writes to the second, this worker reads the first */
	pid_t self;     /* this worker */
	size_t max;
	size_t mapped;
	struct board *board;
	unsigned int *known; /* generation of this process's descriptor by place; 0: none */
	bool accept_next;    /* the next wait looks for a new connection first */
};

/* A message to the master. The connection comes with STORE. The socket to send it to comes with
 * ASK. */
struct note {
	enum { STORE, ASK } kind;
	unsigned int place;
	unsigned int generation;
};

static void
close_pair(const int pair[2])
{
	for (size_t i = 0; i < 2; i++)
		if (pair[i] >= 0)
			(void)close(pair[i]);
}

static bool
send_note(int socket, const struct note *note, int fd)
{
	return fd_message_send(socket, note, sizeof(*note), fd);
}

static bool
receive_note(int socket, struct note *note, int *fd)
{
	return fd_message_receive(socket, note, sizeof(*note), fd);
}

/* One event, after which the entry sleeps until this is called again. */
static bool
arm(const struct connections *connections, int operation, int fd, uint64_t number)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.u64 = number};

	return epoll_ctl(connections->epoll_fd, operation, fd, &event) == 0;
}

static int
fd_of(const struct connections *connections, size_t place)
{
	return connections->first_fd + (int)place;
}

/* Gives the descriptor the number that the place has in all processes. */
static bool
move_fd(struct connections *connections, int fd, size_t place, unsigned int generation)
{
	bool fine = dup3(fd, fd_of(connections, place), O_CLOEXEC) >= 0;

	(void)close(fd);
	connections->known[place] = fine ? generation : 0;
	return fine;
}

static void
forget_fd(struct connections *connections, size_t place)
{
	if (connections->known[place] != 0)
		(void)close(fd_of(connections, place));
	connections->known[place] = 0;
}

static bool
prepare(struct connections *connections)
{
	size_t mapped = sizeof(struct board) + connections->max * sizeof(struct place);
	void *memory =
	        mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return false;
	connections->mapped = mapped;
	connections->board = memory;
	connections->known = calloc(connections->max + 1, sizeof(*connections->known));
	connections->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return connections->known != NULL && connections->epoll_fd >= 0 &&
	       socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, connections->desk) == 0 &&
	       fcntl(connections->desk[0], F_SETOWN, getpid()) == 0 &&
	       fcntl(connections->desk[0], F_SETFL, O_NONBLOCK | O_ASYNC) == 0 &&
	       arm(connections, EPOLL_CTL_ADD, connections->listen_fd, listener);
}

struct connections *
connections_new(int listen_fd, int first_fd, size_t max)
{
	struct connections *connections = malloc(sizeof(*connections));

	if (connections == NULL)
		return NULL;
	*connections = (struct connections){.listen_fd = listen_fd,
	                                    .first_fd = first_fd,
	                                    .epoll_fd = -1,
	                                    .desk = {-1, -1},
	                                    .answers = {-1, -1},
	                                    .max = max};
	if (prepare(connections))
		return connections;
	connections_free(connections);
	return NULL;
}

void
connections_free(struct connections *connections)
{
	if (connections == NULL)
		return;
	for (size_t i = 0; connections->known != NULL && i < connections->max; i++)
		forget_fd(connections, i);
	free(connections->known);
	close_pair(connections->desk);
	close_pair(connections->answers);
	if (connections->epoll_fd >= 0)
		(void)close(connections->epoll_fd);
	if (connections->mapped > 0)
		(void)munmap(connections->board, connections->mapped);
	free(connections);
}

/* Without the connection when the master does not have it. */
static void
answer(struct connections *connections, const struct note *note, int to)
{
	bool known = connections->known[note->place] == note->generation;

	(void)send_note(to, note, known ? fd_of(connections, note->place) : -1);
	(void)close(to);
}

void
connections_attend(struct connections *connections)
{
	struct note note;
	int passed;

	while (receive_note(connections->desk[0], &note, &passed)) {
		if (passed < 0)
			continue;
		if (note.place >= connections->max)
			(void)close(passed);
		else if (note.kind == STORE)
			(void)move_fd(connections, passed, note.place, note.generation);
		else
			answer(connections, &note, passed);
	}
}

/* nginx sees the end at once, although other processes still have the connection open. */
static void
end_place(struct connections *connections, size_t place)
{
	int fd = fd_of(connections, place);

	if (connections->known[place] != 0) {
		(void)epoll_ctl(connections->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
		(void)shutdown(fd, SHUT_RDWR);
	}
	forget_fd(connections, place);
	atomic_store(&connections->board->places[place].owner, OWNER_NONE);
}

/* The dead worker may have been woken for this connection, or have been about to add it. */
static void
arm_again(const struct connections *connections, size_t place)
{
	int fd = fd_of(connections, place);

	if (connections->known[place] !=
	    atomic_load(&connections->board->places[place].generation))
		return;
	if (!arm(connections, EPOLL_CTL_MOD, fd, place) && errno == ENOENT)
		(void)arm(connections, EPOLL_CTL_ADD, fd, place);
}

void
connections_release(struct connections *connections, pid_t worker)
{
	size_t used = atomic_load(&connections->board->used);

	connections_attend(connections);
	for (size_t i = 0; i < used; i++) {
		int owner = atomic_load(&connections->board->places[i].owner);

		if (owner == worker)
			end_place(connections, i);
		else if (owner == OWNER_IDLE)
			arm_again(connections, i);
	}
	(void)arm(connections, EPOLL_CTL_MOD, connections->listen_fd, listener);
}

bool
connections_enter(struct connections *connections)
{
	const struct timeval limit = {.tv_sec = ANSWER_SECONDS};

	(void)close(connections->desk[0]);
	connections->desk[0] = -1;
	connections->self = getpid();
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, connections->answers) ==
	               0 &&
	       setsockopt(connections->answers[0], SOL_SOCKET, SO_RCVTIMEO, &limit,
	                  sizeof(limit)) == 0;
}

static bool
fetch(struct connections *connections, size_t place, unsigned int generation)
{
	struct note note = {
	        .kind = ASK, .place = (unsigned int)place, .generation = generation};
	int passed;

	forget_fd(connections, place);
	return send_note(connections->desk[1], &note, connections->answers[1]) &&
	       receive_note(connections->answers[0], &note, &passed) && passed >= 0 &&
	       move_fd(connections, passed, place, generation);
}

/* A connection without a request goes back to the others, or is closed if nginx closed it. */
static enum connections_found
judge(struct connections *connections, const struct connection *connection)
{
	char byte;
	ssize_t waiting = recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	if (waiting > 0)
		return CONNECTIONS_REQUEST;
	if (waiting < 0 && errno == EAGAIN)
		connections_keep(connections, connection);
	else
		connections_close(connections, connection, false);
	return CONNECTIONS_NOTHING;
}

/* `armed`: other workers are still woken for further ones. */
static enum connections_found
accept_new(struct connections *connections, bool armed, struct connection *out)
{
	int fd = accept4(connections->listen_fd, NULL, NULL, SOCK_CLOEXEC), error = errno;
	struct pollfd first_byte = {.fd = fd, .events = POLLIN};

	atomic_store(&connections->board->more, fd >= 0);
	if (!armed)
		(void)arm(connections, EPOLL_CTL_MOD, connections->listen_fd, listener);
	if (fd < 0)
		return error == EAGAIN || error == EINTR || error == ECONNABORTED
		               ? CONNECTIONS_NOTHING
		               : CONNECTIONS_BROKEN;
	*out = (struct connection){.fd = fd, .place = -1};
	/* nginx connects and sends. A peer that sends nothing waits with the kept ones. */
	(void)poll(&first_byte, 1, FIRST_BYTE_MS);
	return judge(connections, out);
}

/* The event may have come twice, see arm_again(). Then the connection has an owner or no request
 * by now. */
static enum connections_found
take(struct connections *connections, size_t number, struct connection *out)
{
	struct place *place = &connections->board->places[number];
	unsigned int generation;
	int idle = OWNER_IDLE;

	if (!atomic_compare_exchange_strong(&place->owner, &idle, connections->self))
		return CONNECTIONS_NOTHING;
	generation = atomic_load(&place->generation);
	if (connections->known[number] != generation && !fetch(connections, number, generation))
		return CONNECTIONS_BROKEN;
	*out = (struct connection){.fd = fd_of(connections, number), .place = (ssize_t)number};
	return judge(connections, out);
}

/* All new connections together are one entry of the epoll, while each kept one has its own. So
 * they get every second wait while there are several. */
static bool
is_accepting(struct connections *connections)
{
	connections->accept_next = !connections->accept_next;
	return connections->accept_next && atomic_load(&connections->board->more);
}

enum connections_found
connections_wait(struct connections *connections, int timeout_ms, const sigset_t *blocked,
                 struct connection *out)
{
	enum connections_found found;
	struct epoll_event event;
	int ready;

	if (is_accepting(connections) &&
	    (found = accept_new(connections, true, out)) != CONNECTIONS_NOTHING)
		return found;
	ready = epoll_pwait(connections->epoll_fd, &event, 1, timeout_ms, blocked);
	if (ready < 0)
		return CONNECTIONS_INTERRUPTED;
	if (ready == 0)
		return CONNECTIONS_EMPTY;
	if (event.data.u64 != listener)
		return take(connections, (size_t)event.data.u64, out);
	return accept_new(connections, false, out);
}

/* A place that becomes this process's; -1 if all are used. */
static ssize_t
find_place(struct connections *connections)
{
	for (size_t i = 0; i < connections->max; i++) {
		int none = OWNER_NONE;
		size_t used = atomic_load(&connections->board->used);

		if (!atomic_compare_exchange_strong(&connections->board->places[i].owner, &none,
		                                    connections->self))
			continue;
		while (used <= i &&
		       !atomic_compare_exchange_weak(&connections->board->used, &used, i + 1))
			;
		return (ssize_t)i;
	}
	return -1;
}

/* Tells the master before others may serve it, as they ask the master for it. */
static bool
share(struct connections *connections, int fd, size_t number)
{
	struct place *place = &connections->board->places[number];
	struct note note = {.kind = STORE, .place = (unsigned int)number};

	do
		note.generation = atomic_fetch_add(&place->generation, 1) + 1;
	while (note.generation == 0);
	if (!move_fd(connections, fd, number, note.generation) ||
	    !send_note(connections->desk[1], &note, fd_of(connections, number)))
		return false;
	atomic_store(&place->owner, OWNER_IDLE);
	/* The master, which takes care of a dead worker's places, may have added it in between. */
	return arm(connections, EPOLL_CTL_ADD, fd_of(connections, number), number) ||
	       errno == EEXIST;
}

/* Without a free place it is closed. */
static void
keep_new(struct connections *connections, int fd)
{
	ssize_t number = find_place(connections);

	if (number < 0)
		(void)close(fd);
	else if (!share(connections, fd, (size_t)number))
		end_place(connections, (size_t)number);
}

void
connections_keep(struct connections *connections, const struct connection *connection)
{
	if (connection->place < 0) {
		keep_new(connections, connection->fd);
		return;
	}
	atomic_store(&connections->board->places[connection->place].owner, OWNER_IDLE);
	(void)arm(connections, EPOLL_CTL_MOD, connection->fd, (uint64_t)connection->place);
}

void
connections_close(struct connections *connections, const struct connection *connection,
                  bool closed)
{
	if (connection->place < 0) {
		if (!closed)
			(void)close(connection->fd);
		return;
	}
	if (closed)
		connections->known[connection->place] = 0;
	end_place(connections, (size_t)connection->place);
}
