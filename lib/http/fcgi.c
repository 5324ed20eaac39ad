/* fcgi.c: FastCGI requests in, answers out. */
#include "http/fcgi.h"

#include <errno.h>
#include <fcgiapp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

enum { BACKLOG = 1024, WAITED_MAX_MS = 3600000 };

struct fcgi {
	FCGX_Request request;
	bool keep; /* the peer wants to send its next request on the same connection */
};

/* A process listens at the address: it must not be taken over. */
static bool
is_alive(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool alive =
	        fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;

	if (fd >= 0)
		close(fd);
	return alive;
}

static enum fail
listen_failed(struct task *task, int fd, const char *path)
{
	int error = errno;

	if (fd >= 0)
		close(fd);
	return task_fail(task, FAIL_UNAVAILABLE, "socket_failed", "cannot listen on %s: %s",
	                 path, strerror(error));
}

/* The path is another kind of file than a socket: it must not be removed. */
static bool
is_other_file(const char *path)
{
	struct stat status;

	return lstat(path, &status) == 0 && !S_ISSOCK(status.st_mode);
}

enum fail
fcgi_listen(struct task *task, const char *path, int *out)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return task_fail(task, FAIL_INVALID, "socket_failed",
		                 "%s is too long for a Unix socket (%zu characters at most)",
		                 path, sizeof(address.sun_path) - 1);
	strcpy(address.sun_path, path); /* NOLINT: the length was checked above */
	if (is_other_file(path))
		return task_fail(task, FAIL_CONFLICT, "socket_failed",
		                 "%s is there already and no socket, see BILLING_SOCKET and "
		                 "BILLING_STRIPE_SOCKET",
		                 path);
	if (is_alive(&address))
		return task_fail(task, FAIL_CONFLICT, "socket_in_use",
		                 "%s is in use: another billingd is running", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	(void)unlink(path);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
	    chmod(path, 0660) != 0 || listen(fd, BACKLOG) != 0)
		return listen_failed(task, fd, path);
	*out = fd;
	return FAIL_NONE;
}

struct fcgi *
fcgi_new(void)
{
	struct fcgi *fcgi = calloc(1, sizeof(*fcgi));

	/* Does not wait for the peer to close first: a Unix socket loses nothing that was sent,
	 * and read_body() has read all. */
	(void)setenv("LIBFCGI_OS_CLOSE_POLL_TIMEOUT", "0", 0);
	if (fcgi == NULL || FCGX_Init() != 0 ||
	    FCGX_InitRequest(&fcgi->request, -1, FCGI_FAIL_ACCEPT_ON_INTR) != 0) {
		log_line(LOG_LEVEL_ERROR, "libfcgi cannot start");
		exit(70);
	}
	return fcgi;
}

void
fcgi_free(struct fcgi *fcgi)
{
	FCGX_Free(&fcgi->request, 1);
	free(fcgi);
}

/* Headers that we read. One that is sent twice is refused, as a proxy before us may have looked
 * at the other. Of a harmless one the last counts. */
static const struct {
	const char *name;
	size_t offset;
	bool harmless;
} headers[] = {
        {"HTTP_ACCEPT", offsetof(struct request_headers, accept), true},
        {"HTTP_AUTHORIZATION", offsetof(struct request_headers, authorization), false},
        {"HTTP_X_API_KEY", offsetof(struct request_headers, api_key), false},
        {"HTTP_IDEMPOTENCY_KEY", offsetof(struct request_headers, idempotency_key), false},
        {"HTTP_IF_NONE_MATCH", offsetof(struct request_headers, if_none_match), false},
        {"HTTP_ORIGIN", offsetof(struct request_headers, origin), false},
        {"HTTP_STRIPE_SIGNATURE", offsetof(struct request_headers, stripe_signature), false},
        {"HTTP_CONTENT_ENCODING", offsetof(struct request_headers, content_encoding), false},
        {"BILLING_SESSION", offsetof(struct request_headers, session), false},
        {"HTTP_X_BILLING_CONSOLE", offsetof(struct request_headers, console), false},
        {"HTTP_HOST", offsetof(struct request_headers, host), false},
        {"HTTP_USER_AGENT", offsetof(struct request_headers, user_agent), true},
        {"CONTENT_TYPE", offsetof(struct request_headers, content_type), true},
};

static void
take_header(struct request *request, const char *name, size_t length, const char *value)
{
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		const char **slot;

		if (strncmp(headers[i].name, name, length) != 0 ||
		    headers[i].name[length] != '\0')
			continue;
		slot = (const char **)((char *)&request->headers + headers[i].offset);
		if (*slot != NULL && !headers[i].harmless)
			request->broken =
			        task_fail(&request->task, FAIL_INVALID, "duplicate_header",
			                  "A header is given twice.");
		if (*value != '\0')
			*slot = arena_copy(request->task.arena, value);
		return;
	}
}

/* Milliseconds since nginx's "seconds.milliseconds"; the clock may have been set since. */
static int64_t
waited_since(struct arena *arena, const char *value)
{
	size_t seconds = strcspn(value, ".");
	const char *digits = arena_printf(arena, "%.*s%s", (int)seconds, value,
	                                  value[seconds] == '.' ? value + seconds + 1 : "");
	int64_t arrived_ms, waited_ms;

	if (strlen(digits) != seconds + 3 || !text_parse_int(digits, &arrived_ms) ||
	    arrived_ms < 0)
		return 0;
	waited_ms = clock_now_ms() - arrived_ms;
	if (waited_ms < 0)
		return 0;
	return waited_ms < WAITED_MAX_MS ? waited_ms : WAITED_MAX_MS;
}

/* One "NAME=value" of the environment that the peer sent. */
static void
take_param(struct request *request, const char *entry, int64_t *content_length)
{
	struct arena *arena = request->task.arena;
	size_t length = strcspn(entry, "=");
	const char *value = entry + length + (entry[length] == '=');

	if (strncmp(entry, "REQUEST_METHOD=", 15) == 0) {
		request->method = request_method_parse(value);
	} else if (strncmp(entry, "REQUEST_URI=", 12) == 0) {
		size_t span = strcspn(value, "?#");

		request->path = arena_copy_bytes(arena, value, span);
		request->query = arena_copy(arena, value[span] == '?' ? value + span + 1 : "");
	} else if (strncmp(entry, "REMOTE_ADDR=", 12) == 0) {
		request->address = arena_copy(arena, value);
	} else if (strncmp(entry, "ARRIVED=", 8) == 0) {
		request->waited_ms = waited_since(arena, value);
	} else if (strncmp(entry, "REQUEST_ID=", 11) == 0) {
		request->task.request_id = arena_copy(arena, value);
	} else if (strncmp(entry, "CONTENT_LENGTH=", 15) == 0) {
		/* nginx sends it empty when there is no body. */
		if (*value != '\0' &&
		    (!text_parse_int(value, content_length) || *content_length < 0))
			*content_length = -1;
	} else {
		take_header(request, entry, length, value);
	}
}

/* Asks for one byte more than the body has, so that it reads to the end of the stream. */
static void
read_body(struct fcgi *fcgi, struct request *request, int64_t length)
{
	char *body;
	int got;

	if (length > REQUEST_BODY_MAX) {
		request->broken =
		        task_fail(&request->task, FAIL_TOO_LARGE, "body_too_large",
		                  "The body is larger than %d bytes.", REQUEST_BODY_MAX);
		return;
	}
	if (length >= 0) {
		body = arena_alloc(request->task.arena, (size_t)length + 1);
		got = FCGX_GetStr(body, (int)length + 1, fcgi->request.in);
		request->body = body;
		request->body_length = (size_t)length;
		if (got == length && FCGX_GetError(fcgi->request.in) == 0)
			return;
		body[length] = '\0';
	}
	request->broken = task_fail(&request->task, FAIL_INVALID, "incomplete_body",
	                            "The body is not as long as announced.");
}

bool
fcgi_read(struct fcgi *fcgi, int fd, struct request *request)
{
	int64_t content_length = 0;

	/* libfcgi reads the next request of a connection that it believes to have kept. After a
	 * fault it closes the connection and fails, as it has no socket to accept another from. */
	fcgi->request.ipcFd = fd;
	fcgi->request.keepConnection = 1;
	if (FCGX_Accept_r(&fcgi->request) != 0)
		return false;
	fcgi->keep = fcgi->request.keepConnection != 0;
	request->method = HTTP_OTHER;
	request->path = request->query = request->address = request->body = "";
	for (char **entry = fcgi->request.envp; *entry != NULL; entry++)
		take_param(request, *entry, &content_length);
	if (request->task.request_id == NULL || *request->task.request_id == '\0')
		request->task.request_id = "none";
	read_body(fcgi, request, content_length);
	return true;
}

static const char *
head_text(const struct request *request, const struct response *response)
{
	struct text head = text_new(request->task.arena, 512);

	text_add(&head, "Status: ");
	text_add_int(&head, response->status);
	text_add(&head, "\r\n");
	for (size_t i = 0; i < response->header_count; i++) {
		text_add(&head, response->headers[i].name);
		text_add(&head, ": ");
		text_add(&head, response->headers[i].value);
		text_add(&head, "\r\n");
	}
	/* 204 and 304 have no body and no length of one (RFC 9110, section 8.6). */
	if (response->status != 204 && response->status != 304) {
		text_add(&head, "Content-Length: ");
		text_add_int(&head, (int64_t)response->length);
		text_add(&head, "\r\n");
	}
	text_add(&head, "\r\n");
	return head.data;
}

enum fcgi_end
fcgi_answer(struct fcgi *fcgi, const struct request *request, const struct response *response)
{
	bool keep = fcgi->keep && request->broken == FAIL_NONE;
	const char *head = head_text(request, response);
	bool sent = FCGX_PutStr(head, (int)strlen(head), fcgi->request.out) >= 0;

	if (request->method != HTTP_HEAD && response->length > 0)
		sent = FCGX_PutStr(response->body, (int)response->length, fcgi->request.out) >=
		               0 &&
		       sent;
	FCGX_SetExitStatus(0, fcgi->request.out);
	/* The caller closes it, unless libfcgi does so after a fault. */
	fcgi->request.keepConnection = 1;
	FCGX_Finish_r(&fcgi->request);
	if (fcgi->request.ipcFd < 0)
		return FCGI_CLOSED;
	fcgi->request.ipcFd = -1;
	return keep && sent ? FCGI_KEEP : FCGI_CLOSE;
}
