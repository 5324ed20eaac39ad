/*
 * client.c: requests to other servers by libcurl's easy interface.
 *
 * Each request sets all options, so that none is left from the one before. The handle keeps
 * only its connections, resolved names and TLS sessions.
 */
#include "net/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/text.h"
#include "net/easy.h"

struct http_client {
	CURL *easy;
	struct http_client_options options;
};

/* The answer while it comes in. */
struct intake {
	struct text body;
	size_t max;
	struct easy_head head;
	bool too_large;
};

bool
http_is_loopback(const char *host)
{
	struct in6_addr six;
	struct in_addr four;
	char address[INET6_ADDRSTRLEN] = "";
	size_t length = strlen(host);

	if (strcasecmp(host, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, host, &four) == 1)
		return ntohl(four.s_addr) >> 24 == IN_LOOPBACKNET;
	if (*host == '[' && length > 2 && length - 2 < sizeof(address))
		memcpy(address, host + 1, length - 2);
	return inet_pton(AF_INET6, address, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

const char *
http_check_key_url(const char *url)
{
	CURLU *parts = curl_url();
	char *scheme = NULL, *host = NULL;
	CURLUcode code = curl_url_set(parts, CURLUPART_URL, url, CURLU_DISALLOW_USER);
	const char *fault = NULL;

	if (code == CURLUE_USER_NOT_ALLOWED)
		fault = "must not have a user name or password";
	else if (code != CURLUE_OK ||
	         curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	         curl_url_get(parts, CURLUPART_HOST, &host, 0) != CURLUE_OK)
		fault = "must be a URL that starts with https://";
	else if (strcmp(scheme, "https") != 0 &&
	         (strcmp(scheme, "http") != 0 || !http_is_loopback(host)))
		fault = "must start with https:// (http:// only for this machine itself)";
	curl_free(scheme);
	curl_free(host);
	curl_url_cleanup(parts);
	return fault;
}

struct http_client *
http_client_new(const struct http_client_options *options)
{
	struct http_client *client = calloc(1, sizeof(*client));

	if (client == NULL)
		return NULL;
	client->easy = easy_new();
	client->options = *options;
	if (client->easy != NULL)
		return client;
	free(client);
	return NULL;
}

void
http_client_free(struct http_client *client)
{
	if (client == NULL)
		return;
	easy_free(client->easy);
	free(client);
}

/* libcurl's callback: `size` is always 1. A short count ends the transfer. */
static size_t
take_body(char *bytes, size_t size, size_t count, void *context)
{
	struct intake *intake = context;
	size_t length = size * count;

	if (length > intake->max - intake->body.length) {
		intake->too_large = true;
		return 0;
	}
	text_add_bytes(&intake->body, bytes, length);
	return length;
}

/* libcurl's callback: gets each line of the head. */
static size_t
take_head(char *line, size_t size, size_t count, void *context)
{
	struct intake *intake = context;

	return easy_note_line(&intake->head, line, size * count);
}

/* Has no byte below `lowest`: a control character could end a header, a blank ends a URL. */
static bool
is_plain(const char *text, unsigned char lowest)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < lowest || *text == 0x7f)
			return false;
	return true;
}

/* NULL when the request can be sent as it is, else why not. */
static const char *
fault_of(const struct http_request *request)
{
	if (!is_plain(request->method, '!') || !is_plain(request->url, '!'))
		return "a control character or blank in the method or URL";
	/* To libcurl 0 means no limit. */
	if (request->timeout_ms <= 0)
		return "no time left";
	for (size_t i = 0; i < request->header_count; i++)
		if (!is_plain(request->headers[i].name, '!') ||
		    strchr(request->headers[i].name, ':') != NULL ||
		    !is_plain(request->headers[i].value, ' '))
			return "a control character in a header";
	return NULL;
}

/* libcurl neither copies nor changes the list, so its items live in the arena, which wipes
 * them. */
static struct curl_slist *
prepend_header(struct arena *arena, struct curl_slist *list, char *line)
{
	struct curl_slist *item = arena_alloc(arena, sizeof(*item));

	item->data = line;
	item->next = list;
	return item;
}

static struct curl_slist *
header_list(struct arena *arena, const struct http_request *request)
{
	struct curl_slist *list = NULL;
	bool typed = false;

	for (size_t i = request->header_count; i > 0; i--) {
		const struct http_header *header = &request->headers[i - 1];

		/* libcurl's spelling of a header without value is "Name;". */
		list = prepend_header(
		        arena, list,
		        header->value[0] == '\0'
		                ? arena_printf(arena, "%s;", header->name)
		                : arena_printf(arena, "%s: %s", header->name, header->value));
		typed = typed || strcasecmp(header->name, "Content-Type") == 0;
	}
	/* Keeps libcurl from waiting for "100 Continue" and from guessing a type. */
	list = prepend_header(arena, list, arena_copy(arena, "Expect:"));
	if (!typed)
		list = prepend_header(arena, list, arena_copy(arena, "Content-Type:"));
	return list;
}

/* The options of every request. */
static bool
set_rules(CURL *easy, const struct http_client_options *options, int64_t timeout_ms)
{
	return easy_set_rules(easy, options->proxy ? options->proxy : "", timeout_ms,
	                      options->connect_timeout_ms) &&
	       easy_set_http(easy, options->user_agent) &&
	       easy_set_tls(easy, options->ca_file) &&
	       /* Debian's libcurl also trusts a folder of certificates. It would widen the
	        * operator's file, and is read anew for every connection. */
	       curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, options->unix_socket) ==
	               CURLE_OK;
}

static bool
set_request(CURL *easy, const struct http_request *request, struct curl_slist *headers)
{
	bool fine = curl_easy_setopt(easy, CURLOPT_URL, request->url) == CURLE_OK &&
	            curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers) == CURLE_OK;

	/* A POST without body has the length 0. */
	if (fine && (request->body != NULL || strcmp(request->method, "POST") == 0))
		fine = curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
		                        (curl_off_t)(request->body ? request->body_length
		                                                   : 0)) == CURLE_OK &&
		       curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
		                        request->body ? request->body : "") == CURLE_OK;
	return fine &&
	       curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method) == CURLE_OK;
}

static bool
set_intake(CURL *easy, struct intake *intake, char *why)
{
	return curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_head) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_HEADERDATA, intake) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_WRITEDATA, intake) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)intake->max) ==
	               CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, why) == CURLE_OK;
}

/* The answer's headers, without those of an interim answer or a trailer. */
static void
collect_headers(CURL *easy, struct arena *arena, struct http_answer *out)
{
	struct curl_header *header = NULL;
	struct http_header *headers;
	size_t count = 0, used = 0;

	while ((header = curl_easy_nextheader(easy, CURLH_HEADER, -1, header)) != NULL)
		count++;
	headers = arena_array(arena, count + 1, sizeof(*headers));
	/* libcurl leaves the line break in a value that is empty. */
	while (used < count &&
	       (header = curl_easy_nextheader(easy, CURLH_HEADER, -1, header)) != NULL)
		headers[used++] = (struct http_header){
		        arena_copy(arena, header->name),
		        arena_copy_bytes(arena, header->value, strcspn(header->value, "\r\n"))};
	out->headers = headers;
	out->header_count = used;
}

/* The server closed or reset the connection before it answered, as with a kept connection that
 * it gave up while the request was on its way. */
static bool
is_reset(CURL *easy, CURLcode code)
{
	long error = 0;

	if (code == CURLE_GOT_NOTHING)
		return true;
	if (code != CURLE_SEND_ERROR && code != CURLE_RECV_ERROR)
		return false;
	return curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &error) == CURLE_OK &&
	       (error == ECONNRESET || error == EPIPE);
}

static void
judge(CURL *easy, CURLcode code, const struct intake *intake, struct http_answer *out)
{
	bool too_large = intake->too_large || easy_head_is_too_long(&intake->head) ||
	                 code == CURLE_FILESIZE_EXCEEDED;
	long status = 0, request_size = 0;

	if (curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &request_size) == CURLE_OK)
		out->sent = request_size > 0;
	if (code == CURLE_OK && !intake->head.ended)
		code = CURLE_PARTIAL_FILE;
	if (code == CURLE_OK || too_large) {
		(void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
		out->status = (int)status;
	}
	if (code == CURLE_OK)
		out->outcome = HTTP_ANSWERED;
	else if (too_large)
		out->outcome = HTTP_TOO_LARGE;
	else
		out->outcome = is_reset(easy, code) ? HTTP_RESET : HTTP_NO_ANSWER;
	if (out->outcome != HTTP_ANSWERED)
		out->reason = too_large ? "the answer is too large" : curl_easy_strerror(code);
}

void
http_client_send(struct http_client *client, struct arena *arena,
                 const struct http_request *request, struct http_answer *out)
{
	struct intake intake = {.body = text_new(arena, 4096), .max = client->options.body_max};
	char why[CURL_ERROR_SIZE] = "";
	CURL *easy = client->easy;
	CURLcode code;

	*out = (struct http_answer){
	        .outcome = HTTP_NO_ANSWER, .reason = fault_of(request), .body = ""};
	if (out->reason != NULL)
		return;
	if (!set_rules(easy, &client->options, request->timeout_ms) ||
	    !set_request(easy, request, header_list(arena, request)) ||
	    !set_intake(easy, &intake, why)) {
		curl_easy_reset(easy);
		out->reason = "libcurl refuses an option";
		return;
	}
	code = curl_easy_perform(easy);
	judge(easy, code, &intake, out);
	if (out->outcome == HTTP_ANSWERED) {
		collect_headers(easy, arena, out);
		out->body = intake.body.data;
		out->length = intake.body.length;
	} else if (out->outcome != HTTP_TOO_LARGE && why[0] != '\0') {
		out->reason = arena_copy(arena, why);
	}
	/* The handle outlives what its options point to. */
	curl_easy_reset(easy);
}

const char *
http_answer_header(const struct http_answer *answer, const char *name)
{
	for (size_t i = 0; i < answer->header_count; i++)
		if (strcasecmp(answer->headers[i].name, name) == 0)
			return answer->headers[i].value;
	return NULL;
}
