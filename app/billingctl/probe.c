/* probe.c: one request as a FastCGI client (the FastCGI specification 1.0, section 3.3). */
#include "billingctl/probe.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.h"

enum { BEGIN_REQUEST = 1, PARAMS = 4, STDIN = 5, STDOUT = 6 };
enum { HEADER_SIZE = 8, RESPONDER = 1, PATIENCE_S = 5, ANSWER_MAX = 1024 * 1024 };

static enum fail
unreachable(struct task *task, const char *socket_path, const char *why)
{
	return task_fail(task, FAIL_UNAVAILABLE, "service_unreachable",
	                 "billingd doesn't answer at %s: %s.", socket_path, why);
}

static void
add_record(struct text *text, int type, const char *content, size_t length)
{
	const char header[HEADER_SIZE] = {
	        1, (char)type, 0, 1, (char)(uint8_t)(length >> 8), (char)(uint8_t)length, 0, 0};

	text_add_bytes(text, header, sizeof(header));
	text_add_bytes(text, content, length);
}

/* Names and values shorter than 128 bytes have their lengths in one byte each. */
static void
add_param(struct text *text, const char *name, const char *value)
{
	text_add_char(text, (char)strlen(name));
	text_add_char(text, (char)strlen(value));
	text_add(text, name);
	text_add(text, value);
}

static struct text
request_of(struct task *task, const char *path)
{
	const char begin[8] = {0, RESPONDER};
	struct text text = text_new(task->arena, 512), params = text_new(task->arena, 256);

	add_param(&params, "REQUEST_METHOD", "GET");
	add_param(&params, "REQUEST_URI", path);
	add_param(&params, "REMOTE_ADDR", "127.0.0.1");
	add_param(&params, "REQUEST_ID", task->request_id);
	add_param(&params, "CONTENT_LENGTH", "");
	add_record(&text, BEGIN_REQUEST, begin, sizeof(begin));
	add_record(&text, PARAMS, params.data, params.length);
	add_record(&text, PARAMS, "", 0);
	add_record(&text, STDIN, "", 0);
	return text;
}

static enum fail
open_socket(struct task *task, const char *path, int *out)
{
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int error;

	if (strlen(path) >= sizeof(address.sun_path))
		return unreachable(task, path, "the path is too long for a socket");
	memcpy(address.sun_path, path, strlen(path));
	*out = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*out >= 0 &&
	    setsockopt(*out, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0 &&
	    setsockopt(*out, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0 &&
	    connect(*out, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return FAIL_NONE;
	error = errno;
	if (*out >= 0)
		close(*out);
	return unreachable(task, path, error == EAGAIN ? "its queue is full" : strerror(error));
}

/* Everything until billingd closes the connection. */
static enum fail
read_answer(struct task *task, int file, const char *socket_path, struct text *out)
{
	char block[8192];
	ssize_t got;

	while ((got = recv(file, block, sizeof(block), 0)) > 0 && out->length < ANSWER_MAX)
		text_add_bytes(out, block, (size_t)got);
	if (got == 0)
		return FAIL_NONE;
	return unreachable(task, socket_path,
	                   got > 0           ? "the answer has no end"
	                   : errno == EAGAIN ? "no answer within 5 s; are its workers stuck?"
	                                     : strerror(errno));
}

/* The stream within the records. */
static struct text
unwrap(struct arena *arena, const struct text *records)
{
	struct text stream = text_new(arena, records->length + 1);
	size_t at = 0;

	while (records->length - at >= HEADER_SIZE) {
		const unsigned char *header = (const unsigned char *)records->data + at;
		size_t length = (size_t)header[4] << 8 | header[5];

		at += HEADER_SIZE;
		if (length > records->length - at)
			break;
		if (header[1] == STDOUT)
			text_add_bytes(&stream, records->data + at, length);
		at += length;
		at += header[6] <= records->length - at ? header[6] : records->length - at;
	}
	return stream;
}

enum fail
probe_get(struct task *task, const char *socket_path, const char *path,
          struct probe_answer *out)
{
	struct text request = request_of(task, path), records = text_new(task->arena, 4096);
	struct text stream;
	const char *status, *blank;
	enum fail kind;
	int file = -1;

	TRY(open_socket(task, socket_path, &file));
	if (send(file, request.data, request.length, MSG_NOSIGNAL) != (ssize_t)request.length)
		kind = unreachable(task, socket_path, strerror(errno));
	else
		kind = read_answer(task, file, socket_path, &records);
	close(file);
	TRY(kind);
	stream = unwrap(task->arena, &records);
	status = strstr(stream.data, "Status: ");
	blank = strstr(stream.data, "\r\n\r\n");
	if (blank == NULL)
		return unreachable(task, socket_path, "the connection ends without an answer");
	out->status = status != NULL && status < blank
	                      ? (int)strtol(status + strlen("Status: "), NULL, 10)
	                      : 200;
	out->body = blank + 4;
	return FAIL_NONE;
}
