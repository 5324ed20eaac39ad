/* serve.c: the socket and the connections of the local application. */
#include "agent/serve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/log.h"
#include "base/text.h"

enum { BACKLOG = 128, SILENCE_US = 30 * 1000 * 1000, HEAD_MAX = 256 };

struct connection {
	int socket;
	int64_t active_us; /* when bytes were last received or sent */
	size_t in_length;
	char *out; /* an answer that is being sent, or NULL */
	size_t out_length, out_sent;
	bool ends; /* it is closed after the answer */
	char in[LOCAL_REQUEST_MAX];
};

static enum fail
cannot_listen(struct task *task, const char *where, int error)
{
	return task_fail(task, FAIL_UNAVAILABLE, "cannot_listen", "Cannot listen on %s: %s.",
	                 where, strerror(error));
}

/* Removes a socket that no process serves any more; any other file stays. */
static void
clear_path(const struct sockaddr_un *address)
{
	int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat status;

	if (probe >= 0 &&
	    connect(probe, (const struct sockaddr *)address, sizeof(*address)) != 0 &&
	    errno == ECONNREFUSED && lstat(address->sun_path, &status) == 0 &&
	    S_ISSOCK(status.st_mode))
		(void)unlink(address->sun_path);
	if (probe >= 0)
		close(probe);
}

static enum fail
listen_on_path(struct task *task, const char *path, struct server *server)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(address.sun_path))
		return cannot_listen(task, path, ENAMETOOLONG);
	memcpy(address.sun_path, path, strlen(path) + 1);
	clear_path(&address);
	server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (server->listener < 0 ||
	    bind(server->listener, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
	    chmod(path, 0660) != 0 || listen(server->listener, BACKLOG) != 0)
		return cannot_listen(task, path, errno);
	server->path = path;
	return FAIL_NONE;
}

static enum fail
listen_on_port(struct task *task, const char *where, struct server *server)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int64_t port;
	int yes = 1;

	if (!text_parse_int(strchr(where, ':') + 1, &port) || port < 1 || port > 65535)
		return cannot_listen(task, where, EINVAL);
	address.sin_port = htons((uint16_t)port);
	server->on_network = true;
	server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (server->listener < 0 ||
	    setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0 ||
	    bind(server->listener, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(server->listener, BACKLOG) != 0)
		return cannot_listen(task, where, errno);
	return FAIL_NONE;
}

enum fail
serve_open(struct task *task, const char *listen, struct server *out)
{
	enum fail kind;

	*out = (struct server){.listener = -1};
	kind = *listen == '/' ? listen_on_path(task, listen, out)
	                      : listen_on_port(task, listen, out);
	if (kind != FAIL_NONE && out->listener >= 0)
		close(out->listener);
	return kind;
}

size_t
serve_watch(const struct server *server, struct pollfd *out)
{
	bool room = server->count < SERVE_CONNECTIONS_MAX;

	/* While the table is full, new connections wait in the kernel's queue. */
	out[0] = (struct pollfd){.fd = room ? server->listener : -1, .events = POLLIN};
	for (size_t i = 0; i < server->count; i++) {
		const struct connection *connection = server->connections[i];

		out[i + 1] =
		        (struct pollfd){.fd = connection->socket,
		                        .events = connection->out != NULL ? POLLOUT : POLLIN};
	}
	return server->count + 1;
}

static void
drop(struct server *server, size_t index)
{
	struct connection *connection = server->connections[index];

	close(connection->socket);
	free(connection->out);
	free(connection);
	server->connections[index] = server->connections[--server->count];
}

static void
accept_all(struct server *server, int64_t now_us)
{
	while (server->count < SERVE_CONNECTIONS_MAX) {
		int client =
		        accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		struct connection *connection;

		if (client < 0)
			return;
		connection = calloc(1, sizeof(*connection));
		if (connection == NULL) {
			close(client);
			return;
		}
		connection->socket = client;
		connection->active_us = now_us;
		server->connections[server->count++] = connection;
	}
}

/* A web page can make a browser send requests to 127.0.0.1 under the page's own name (DNS
 * rebinding), so only the names of this machine are accepted. */
static bool
host_is_local(const struct server *server, const struct local_request *request)
{
	static const char *const names[] = {"127.0.0.1", "localhost"};

	if (!server->on_network)
		return true;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		size_t length = strlen(names[i]);

		if (strncasecmp(request->host, names[i], length) == 0 &&
		    (request->host[length] == '\0' || request->host[length] == ':'))
			return true;
	}
	return false;
}

static void
put_answer(struct connection *connection, const struct serve_answer *answer)
{
	size_t length = strlen(answer->body);
	int head;

	connection->out = malloc(HEAD_MAX + length);
	if (connection->out == NULL) {
		connection->ends = true;
		return;
	}
	head = snprintf(connection->out, HEAD_MAX,
	                "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
	                "Cache-Control: no-store\r\n%s\r\n",
	                answer->status, local_http_reason(answer->status), answer->type, length,
	                connection->ends ? "Connection: close\r\n" : "");
	memcpy(connection->out + head, answer->body, length);
	connection->out_length = (size_t)head + length;
	connection->out_sent = 0;
}

static const struct serve_answer refused = {
        .type = "application/json",
        .body = "{\"error\":\"The request cannot be read.\",\"code\":\"bad_request\"}"};
static const struct serve_answer foreign_host = {
        .status = 403,
        .type = "application/json",
        .body = "{\"error\":\"This Host is not served.\",\"code\":\"forbidden\"}"};

/* Answers one complete request; false when there is none yet. */
static bool
answer_next(struct server *server, struct connection *connection)
{
	struct local_request request;
	struct serve_answer answer = refused;
	size_t consumed = 0;

	switch (local_http_read(connection->in, connection->in_length, &request, &consumed,
	                        &answer.status)) {
	case LOCAL_MORE:
		return false;
	case LOCAL_BAD:
		connection->ends = true;
		connection->in_length = 0;
		put_answer(connection, &answer);
		return true;
	case LOCAL_WHOLE:
		break;
	}
	if (host_is_local(server, &request))
		server->handler(server->context, &request, &answer);
	else
		answer = foreign_host;
	connection->ends = !request.keep_alive;
	put_answer(connection, &answer);
	connection->in_length -= consumed;
	memmove(connection->in, connection->in + consumed, connection->in_length);
	return true;
}

/* Sends as much as the socket takes. False when the connection is to be closed. */
static bool
send_out(struct connection *connection)
{
	while (connection->out_sent < connection->out_length) {
		ssize_t sent =
		        send(connection->socket, connection->out + connection->out_sent,
		             connection->out_length - connection->out_sent, MSG_NOSIGNAL);

		if (sent < 0)
			return errno == EAGAIN || errno == EINTR;
		connection->out_sent += (size_t)sent;
	}
	free(connection->out);
	connection->out = NULL;
	connection->out_length = connection->out_sent = 0;
	return !connection->ends;
}

/* False when the other side has closed. */
static bool
receive(struct connection *connection)
{
	ssize_t got = recv(connection->socket, connection->in + connection->in_length,
	                   sizeof(connection->in) - connection->in_length, 0);

	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	connection->in_length += (size_t)got;
	return got > 0;
}

/* False when the connection is to be closed. */
static bool
serve_connection(struct server *server, struct connection *connection)
{
	if (connection->out != NULL ? !send_out(connection) : !receive(connection))
		return false;
	while (connection->out == NULL && answer_next(server, connection))
		if (connection->out == NULL || !send_out(connection))
			return false;
	return true;
}

void
serve_run(struct server *server, const struct pollfd *found, int64_t now_us)
{
	/* From the end, as drop() moves the last one into the free place. */
	for (size_t i = server->count; i-- > 0;) {
		struct connection *connection = server->connections[i];

		if (found[i + 1].revents != 0) {
			connection->active_us = now_us;
			if (!serve_connection(server, connection))
				drop(server, i);
		} else if (now_us - connection->active_us > SILENCE_US) {
			drop(server, i);
		}
	}
	if (found[0].revents & POLLIN)
		accept_all(server, now_us);
}

void
serve_close(struct server *server)
{
	while (server->count > 0)
		drop(server, server->count - 1);
	if (server->listener >= 0)
		close(server->listener);
	if (server->path != NULL)
		(void)unlink(server->path);
}
