/*
 * http_server.h: a server in a thread that follows a test's script, with or without TLS.
 *
 * It serves one connection after the other and does one act for each request, so a script also
 * says how many requests it expects.
 */
#pragma once

#include "support/suite.h"

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

enum act_kind {
	ACT_ANSWER,       /* send the text, go on with the connection */
	ACT_ANSWER_CLOSE, /* send the text, close */
	ACT_ANSWER_RESET, /* send the text, let the connection be reset */
	ACT_DRIP,         /* send the text a byte at a time for as long as somebody reads */
	ACT_HANG          /* send nothing until the other side closes */
};

struct act {
	enum act_kind kind;
	const char *text;
};

enum { SERVER_REQUESTS_MAX = 8, SERVER_REQUEST_SIZE = 4096 };

struct server {
	int listen_fd;
	int port;
	SSL_CTX *tls;                         /* NULL: none */
	struct act acts[SERVER_REQUESTS_MAX]; /* the thread may look after the test has ended */
	size_t act_count;
	pthread_t thread;
	/* Counts of requests and connections; read them after an answer or after
	 * server_stop(). */
	int connections;
	size_t request_count;
	char requests[SERVER_REQUESTS_MAX][SERVER_REQUEST_SIZE];
};

/* One connection. */
struct peer {
	int fd;
	SSL *ssl;
};

static inline ssize_t
peer_read(const struct peer *peer, char *bytes, size_t size)
{
	return peer->ssl ? SSL_read(peer->ssl, bytes, (int)size) : read(peer->fd, bytes, size);
}

static inline bool
peer_write(const struct peer *peer, const char *bytes, size_t length)
{
	ssize_t done = 0;

	for (; length > 0; bytes += done, length -= (size_t)done) {
		done = peer->ssl ? SSL_write(peer->ssl, bytes, (int)length)
		                 : send(peer->fd, bytes, length, MSG_NOSIGNAL);
		if (done <= 0)
			return false;
	}
	return true;
}

static inline void
peer_close(struct peer *peer, bool reset)
{
	struct linger linger = {.l_onoff = 1, .l_linger = 0};

	if (reset)
		(void)setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	else if (peer->ssl)
		(void)SSL_shutdown(peer->ssl);
	SSL_free(peer->ssl);
	close(peer->fd);
}

/* Head and body of the next request; false when the other side has closed. */
static inline bool
peer_request(const struct peer *peer, char out[static SERVER_REQUEST_SIZE])
{
	size_t length = 0, wanted = 0;
	const char *end, *counted;
	ssize_t got;

	for (;;) {
		out[length] = '\0';
		end = strstr(out, "\r\n\r\n");
		counted = strcasestr(out, "\r\nContent-Length:");
		if (end != NULL) {
			wanted = (size_t)(end + 4 - out);
			wanted += counted ? strtoul(counted + 17, NULL, 10) : 0;
			if (length >= wanted)
				return true;
		}
		got = peer_read(peer, out + length, SERVER_REQUEST_SIZE - 1 - length);
		if (got <= 0)
			return false;
		length += (size_t)got;
	}
}

/* True when the connection goes on. */
static inline bool
peer_act(const struct peer *peer, const struct act *act)
{
	char byte;

	if (act->kind == ACT_HANG) {
		while (peer_read(peer, &byte, 1) > 0)
			;
		return false;
	}
	if (act->kind == ACT_DRIP) {
		for (const char *at = act->text; *at != '\0'; at++) {
			if (!peer_write(peer, at, 1))
				return false;
			usleep(10000); /* slowness is what is tested */
		}
	}
	return peer_write(peer, act->text, strlen(act->text)) && act->kind == ACT_ANSWER;
}

static inline void
server_connection(struct server *server, struct peer *peer)
{
	bool reset = false;

	if (server->tls) {
		peer->ssl = SSL_new(server->tls);
		SSL_set_fd(peer->ssl, peer->fd);
		if (SSL_accept(peer->ssl) != 1) {
			peer_close(peer, false);
			return;
		}
	}
	while (server->request_count < server->act_count &&
	       peer_request(peer, server->requests[server->request_count])) {
		const struct act *act = &server->acts[server->request_count++];

		reset = act->kind == ACT_ANSWER_RESET;
		if (!peer_act(peer, act))
			break;
	}
	peer_close(peer, reset);
}

static inline void *
server_run(void *context)
{
	struct server *server = context;
	sigset_t pipe;
	int fd;

	/* Only of this thread: a SIGPIPE in the client's is a fault to be found. */
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, NULL);
	while ((fd = accept(server->listen_fd, NULL, NULL)) >= 0) {
		server->connections++;
		server_connection(server, &(struct peer){.fd = fd});
	}
	return NULL;
}

/* Listens on a free port of the loopback or, with a path, on a Unix socket there. */
static inline void
server_start(struct server *server, SSL_CTX *tls, const char *path, const struct act *acts,
             size_t act_count)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_un local = {.sun_family = AF_UNIX};
	socklen_t length = sizeof(address);

	*server = (struct server){.tls = tls, .act_count = act_count};
	ck_assert_uint_le(act_count, SERVER_REQUESTS_MAX);
	memcpy(server->acts, acts, act_count * sizeof(*acts));
	server->listen_fd = socket(path ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (path) {
		(void)snprintf(local.sun_path, sizeof(local.sun_path), "%s", path);
		ck_assert_int_eq(
		        bind(server->listen_fd, (struct sockaddr *)&local, sizeof(local)), 0);
	} else {
		ck_assert_int_eq(
		        bind(server->listen_fd, (struct sockaddr *)&address, sizeof(address)),
		        0);
		ck_assert_int_eq(
		        getsockname(server->listen_fd, (struct sockaddr *)&address, &length),
		        0);
		server->port = ntohs(address.sin_port);
	}
	ck_assert_int_eq(listen(server->listen_fd, 8), 0);
	ck_assert_int_eq(pthread_create(&server->thread, NULL, server_run, server), 0);
}

/* After the clients are gone: a kept connection would keep the server. */
static inline void
server_stop(struct server *server)
{
	(void)shutdown(server->listen_fd, SHUT_RDWR);
	(void)pthread_join(server->thread, NULL);
	close(server->listen_fd);
}
