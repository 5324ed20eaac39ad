/* posts.c: POST requests to many servers at a time. */
#include "net/posts.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net/easy.h"

/* One request. */
struct transfer {
	struct posts *posts;
	struct transfer *next; /* of those that run */
	CURL *easy;
	struct curl_slist *headers;
	bool https;
	bool opened;  /* a connection was admitted */
	bool refused; /* one was not */
	bool over;    /* the answer is longer than what is read of it */
	struct easy_head head;
	char why[CURL_ERROR_SIZE];
	struct post_answer answer;
};

struct posts {
	CURLM *multi;
	struct transfer *running;
	struct posts_options options;
};

struct posts *
posts_new(const struct posts_options *options)
{
	struct posts *posts;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return NULL;
	posts = calloc(1, sizeof(*posts));
	if (posts != NULL)
		posts->multi = curl_multi_init();
	if (posts == NULL || posts->multi == NULL) {
		free(posts);
		curl_global_cleanup();
		return NULL;
	}
	posts->options = *options;
	(void)curl_multi_setopt(posts->multi, CURLMOPT_MAXCONNECTS, (long)options->idle_max);
	return posts;
}

static void
free_transfer(struct transfer *transfer)
{
	curl_easy_cleanup(transfer->easy);
	curl_slist_free_all(transfer->headers);
	free(transfer);
}

void *
posts_end_one(struct posts *posts)
{
	struct transfer *transfer = posts->running;
	void *about;

	if (transfer == NULL)
		return NULL;
	about = transfer->answer.about;
	posts->running = transfer->next;
	(void)curl_multi_remove_handle(posts->multi, transfer->easy);
	free_transfer(transfer);
	return about;
}

void
posts_free(struct posts *posts)
{
	if (posts == NULL)
		return;
	while (posts->running != NULL)
		(void)posts_end_one(posts);
	(void)curl_multi_cleanup(posts->multi);
	curl_global_cleanup();
	free(posts);
}

/* libcurl's callback: makes the socket of a connection to an address that it is about to use. */
static curl_socket_t
open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct transfer *transfer = context;
	const struct posts_options *options = &transfer->posts->options;

	if (purpose != CURLSOCKTYPE_IPCXN ||
	    !options->admits(options->context, &address->addr, transfer->https)) {
		transfer->refused = true;
		return CURL_SOCKET_BAD;
	}
	transfer->opened = true;
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* libcurl's callback: `size` is always 1. A short count ends the transfer. */
static size_t
take_body(char *bytes, size_t size, size_t count, void *context)
{
	struct transfer *transfer = context;
	struct post_answer *answer = &transfer->answer;
	size_t room = POSTS_ANSWER_MAX - answer->length;
	size_t taken = size * count < room ? size * count : room;

	memcpy(answer->body + answer->length, bytes, taken);
	answer->length += taken;
	transfer->over = taken < size * count;
	return taken;
}

/* libcurl's callback: gets each line of the answer's head, and of the heads of interim answers. A short count ends
 * the transfer. */
static size_t
take_head(char *line, size_t size, size_t count, void *context)
{
	struct transfer *transfer = context;

	return easy_note_line(&transfer->head, line, size * count);
}

static bool
add_header(struct transfer *transfer, const char *line)
{
	struct curl_slist *list = curl_slist_append(transfer->headers, line);

	if (list != NULL)
		transfer->headers = list;
	return list != NULL;
}

/* The request and its headers. An empty "Expect:" keeps libcurl from waiting for "100 Continue". */
static bool
set_request(struct transfer *transfer, const struct post *post)
{
	CURL *easy = transfer->easy;

	for (size_t i = 0; i < post->header_count; i++)
		if (!add_header(transfer, post->headers[i]))
			return false;
	return add_header(transfer, "Expect:") &&
	       curl_easy_setopt(easy, CURLOPT_URL, post->url) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)post->length) ==
	               CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, post->body) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers) == CURLE_OK;
}

/* The rules that hold for every request. Beside the authorities of the file, those in the system's folder
 * of certificates count. */
static bool
set_rules(CURL *easy, const struct posts_options *options)
{
	return easy_set_rules(easy, "", options->timeout_ms, options->connect_timeout_ms) &&
	       easy_set_http(easy, options->user_agent) && easy_set_tls(easy, options->ca_file);
}

static bool
set_callbacks(struct transfer *transfer)
{
	CURL *easy = transfer->easy;

	return curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_head) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->why) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer) == CURLE_OK;
}

bool
posts_start(struct posts *posts, const struct post *post)
{
	struct transfer *transfer = calloc(1, sizeof(*transfer));

	if (transfer == NULL)
		return false;
	transfer->posts = posts;
	transfer->https = post->https;
	transfer->answer.about = post->about;
	transfer->easy = curl_easy_init();
	if (transfer->easy == NULL || !set_rules(transfer->easy, &posts->options) ||
	    !set_request(transfer, post) || !set_callbacks(transfer) ||
	    curl_multi_add_handle(posts->multi, transfer->easy) != CURLM_OK) {
		free_transfer(transfer);
		return false;
	}
	transfer->next = posts->running;
	posts->running = transfer;
	return true;
}

void
posts_run(struct posts *posts, int64_t wait_ms)
{
	int before = 0, after = 0;

	if (curl_multi_perform(posts->multi, &before) != CURLM_OK)
		return;
	(void)curl_multi_poll(posts->multi, NULL, 0, (int)wait_ms, NULL);
	(void)curl_multi_perform(posts->multi, &after);
}

static void
forget(struct posts *posts, struct transfer *transfer)
{
	struct transfer **link = &posts->running;

	while (*link != transfer)
		link = &(*link)->next;
	*link = transfer->next;
}

/* libcurl's text, cut where it is too long. It may have bytes of the server. */
static void
set_reason(struct post_answer *answer, const char *reason)
{
	size_t length = strlen(reason);

	if (length > POSTS_REASON_MAX)
		length = POSTS_REASON_MAX;
	for (size_t i = 0; i < length; i++)
		answer->reason[i] = reason[i] < ' ' || reason[i] > '~' ? '?' : reason[i];
	answer->reason[length] = '\0';
}

static const char *
reason_of(const struct transfer *transfer, CURLcode code)
{
	if (easy_head_is_too_long(&transfer->head))
		return "the head of the answer is too long";
	return transfer->why[0] != '\0' ? transfer->why : curl_easy_strerror(code);
}

/* Completes the answer of a transfer that ended with this code. */
static void
judge(struct transfer *transfer, CURLcode code)
{
	struct post_answer *answer = &transfer->answer;
	curl_off_t wait_s = 0, took_us = 0;
	long status = 0;

	if (transfer->over)
		code = CURLE_OK;
	if (code == CURLE_OK && !transfer->head.ended)
		code = CURLE_PARTIAL_FILE;
	(void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	(void)curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &wait_s);
	(void)curl_easy_getinfo(transfer->easy, CURLINFO_TOTAL_TIME_T, &took_us);
	answer->status = (int)status;
	answer->retry_after_s = wait_s;
	answer->took_ms = took_us / 1000;
	answer->refused = transfer->refused && !transfer->opened;
	if (answer->refused)
		set_reason(answer, "the address is not allowed");
	else if (code != CURLE_OK)
		set_reason(answer, reason_of(transfer, code));
}

bool
posts_next(struct posts *posts, struct post_answer *out)
{
	struct transfer *transfer = NULL;
	CURLMsg *message;
	int left;

	do {
		message = curl_multi_info_read(posts->multi, &left);
		if (message == NULL)
			return false;
	} while (message->msg != CURLMSG_DONE);
	(void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
	judge(transfer, message->data.result);
	(void)curl_multi_remove_handle(posts->multi, transfer->easy);
	*out = transfer->answer;
	forget(posts, transfer);
	free_transfer(transfer);
	return true;
}
