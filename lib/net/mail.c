/*
 * mail.c: messages handed to a mail server, by libcurl's easy interface.
 *
 * libcurl tells of every command that it sends and every line that the server answers; the last of
 * both say where the conversation ended. Commands are looked at by their first word only, as that of
 * the sign-in has the password in it.
 */
#include "net/mail.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "net/client.h"
#include "net/easy.h"

enum { WORDS_MAX = 512 };

struct mail_client {
	CURL *easy;
	curl_socket_t kept; /* of the connection that is kept, or CURL_SOCKET_BAD */
	struct mail_client_options options;
};

/* The SMTP session so far. */
struct smtp_session {
	const struct mail_message *message; /* NULL: none is sent */
	size_t read;                        /* of its text, by libcurl */
	const char *step;
	bool over;                 /* libcurl says goodbye: the lines that follow answer that */
	char words[WORDS_MAX + 1]; /* the last line of the answer to the last command, or "" */
};

/* The steps by the first word of the command that begins them. */
static const struct {
	const char *word;
	const char *step;
} steps[] = {
        {"EHLO", "hello"},   {"HELO", "hello"},  {"STARTTLS", "starttls"},
        {"AUTH", "sign in"}, {"MAIL", "sender"}, {"RCPT", "recipient"},
        {"DATA", "message"},
};

/* The parts of a URL that libcurl reads; to be freed by it. */
static bool
read_url(const char *url, char **scheme, char **host, bool *has_user)
{
	CURLU *parts = curl_url();
	CURLUcode code = curl_url_set(parts, CURLUPART_URL, url, CURLU_DISALLOW_USER);

	*scheme = *host = NULL;
	*has_user = code == CURLUE_USER_NOT_ALLOWED;
	if (code == CURLUE_OK) {
		(void)curl_url_get(parts, CURLUPART_SCHEME, scheme, 0);
		(void)curl_url_get(parts, CURLUPART_HOST, host, 0);
	}
	curl_url_cleanup(parts);
	return *scheme != NULL && *host != NULL;
}

static void
free_parts(char *scheme, char *host)
{
	curl_free(scheme);
	curl_free(host);
}

const char *
mail_check_url(const char *url)
{
	char *scheme, *host;
	bool has_user, read = read_url(url, &scheme, &host, &has_user);
	const char *fault = NULL;

	if (has_user)
		fault = "must not have a user name or password";
	else if (!read || (strcmp(scheme, "smtp") != 0 && strcmp(scheme, "smtps") != 0))
		fault = "must be smtp://host:port or smtps://host:port";
	free_parts(scheme, host);
	return fault;
}

bool
mail_url_is_local(const char *url)
{
	char *scheme, *host;
	bool has_user, local = false;

	if (read_url(url, &scheme, &host, &has_user))
		local = strcmp(scheme, "smtp") == 0 && http_is_loopback(host);
	free_parts(scheme, host);
	return local;
}

bool
mail_url_is_tls(const char *url)
{
	return strncasecmp(url, "smtps://", 8) == 0;
}

struct mail_client *
mail_client_new(const struct mail_client_options *options)
{
	struct mail_client *client = calloc(1, sizeof(*client));

	if (client == NULL)
		return NULL;
	client->easy = easy_new();
	client->kept = CURL_SOCKET_BAD;
	client->options = *options;
	if (client->easy != NULL)
		return client;
	free(client);
	return NULL;
}

void
mail_client_free(struct mail_client *client)
{
	if (client == NULL)
		return;
	/* libcurl says goodbye, and waits two minutes for a server that does not answer that. */
	if (client->kept != CURL_SOCKET_BAD)
		(void)shutdown(client->kept, SHUT_RDWR);
	easy_free(client->easy);
	free(client);
}

/* libcurl's callback: gives the next piece of the message. Behind the last one libcurl sends the end of
 * the message, and the server's answer is to all of it. */
static size_t
give_text(char *bytes, size_t size, size_t count, void *context)
{
	struct smtp_session *session = context;
	size_t left = session->message == NULL ? 0 : session->message->length - session->read;
	size_t length = size * count < left ? size * count : left;

	if (length > 0)
		memcpy(bytes, session->message->text + session->read, length);
	session->read += length;
	if (length == left) {
		session->step = "answer";
		session->words[0] = '\0';
	}
	return length;
}

/* libcurl's callback: gets each line of the server. */
static size_t
take_line(char *line, size_t size, size_t count, void *context)
{
	struct smtp_session *session = context;
	size_t length = size * count, kept = 0;

	if (session->over)
		return length;
	for (; kept < length && kept < WORDS_MAX && line[kept] != '\r' && line[kept] != '\n';
	     kept++)
		session->words[kept] = line[kept];
	session->words[kept] = '\0';
	return length;
}

/* libcurl's callback: learns of each command that is sent. */
static int
watch(CURL *easy, curl_infotype kind, char *bytes, size_t length, void *context)
{
	struct smtp_session *session = context;

	(void)easy;
	if (kind != CURLINFO_HEADER_OUT)
		return 0;
	session->over = length >= 4 && memcmp(bytes, "QUIT", 4) == 0;
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		size_t size = strlen(steps[i].word);

		if (length >= size && memcmp(bytes, steps[i].word, size) == 0) {
			session->step = steps[i].step;
			session->words[0] = '\0';
		}
	}
	return 0;
}

/* libcurl's callback: closes the socket of a connection. */
static int
close_socket(void *context, curl_socket_t socket)
{
	struct mail_client *client = context;

	if (client->kept == socket)
		client->kept = CURL_SOCKET_BAD;
	return close(socket);
}

static bool
set_sockets(struct mail_client *client)
{
	return curl_easy_setopt(client->easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket) ==
	               CURLE_OK &&
	       curl_easy_setopt(client->easy, CURLOPT_CLOSESOCKETDATA, client) == CURLE_OK;
}

static bool
set_rules(CURL *easy, const struct mail_client_options *options)
{
	return easy_set_rules(easy, "", options->timeout_ms, options->connect_timeout_ms) &&
	       curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps") == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_URL, options->url) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_SERVER_RESPONSE_TIMEOUT,
	                        (long)(options->timeout_ms + 999) / 1000) == CURLE_OK &&
	       /* Servers close a connection that is idle; a younger one is used again. */
	       curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, 5L) == CURLE_OK;
}

static bool
set_tls(CURL *easy, const struct mail_client_options *options)
{
	long use = options->starttls ? CURLUSESSL_ALL : CURLUSESSL_NONE;

	return easy_set_tls(easy, options->ca_file) &&
	       curl_easy_setopt(easy, CURLOPT_USE_SSL, use) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK;
}

static bool
set_user(CURL *easy, const struct mail_client_options *options)
{
	return *options->user == '\0' ||
	       (curl_easy_setopt(easy, CURLOPT_USERNAME, options->user) == CURLE_OK &&
	        curl_easy_setopt(easy, CURLOPT_PASSWORD, options->password) == CURLE_OK);
}

static bool
set_session(CURL *easy, struct smtp_session *session, char *why)
{
	return curl_easy_setopt(easy, CURLOPT_READFUNCTION, give_text) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_READDATA, session) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_line) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_HEADERDATA, session) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_line) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_WRITEDATA, session) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, watch) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_DEBUGDATA, session) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, why) == CURLE_OK;
}

/* Without a message the server is asked to do nothing. `recipients` has one item. */
static bool
set_message(CURL *easy, struct arena *arena, const struct mail_message *message,
            struct curl_slist *recipients)
{
	if (message == NULL)
		return curl_easy_setopt(easy, CURLOPT_NOBODY, 1L) == CURLE_OK &&
		       curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "NOOP") == CURLE_OK;
	/* libcurl neither copies nor changes the list. */
	*recipients = (struct curl_slist){
	        .data = arena_printf(arena, "<%s>", message->recipient), .next = NULL};
	return curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)message->length) ==
	               CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_MAIL_FROM,
	                        arena_printf(arena, "<%s>", message->sender)) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, recipients) == CURLE_OK;
}

/* The address cannot leave its brackets in a command. */
static bool
is_plain(const char *address)
{
	for (const char *byte = address; *byte != '\0'; byte++)
		if ((unsigned char)*byte <= ' ' || *byte == 0x7f || *byte == '<' ||
		    *byte == '>')
			return false;
	return *address != '\0';
}

/* The code of an answer, "250 Fine", or 0. */
static int
code_of(const char *words)
{
	for (int i = 0; i < 3; i++)
		if (words[i] < '0' || words[i] > '9')
			return 0;
	return (words[0] - '0') * 100 + (words[1] - '0') * 10 + (words[2] - '0');
}

/* The enhanced status behind the code, or "". */
static const char *
status_of(struct arena *arena, const char *words)
{
	const char *start = code_of(words) != 0 && words[3] != '\0' ? words + 4 : "";
	size_t length = strspn(start, "0123456789.");

	if (length < 5 || length > 9 || start[1] != '.')
		return "";
	return arena_copy_bytes(arena, start, length);
}

static bool
is_after_sender(const char *step)
{
	return strcmp(step, "recipient") == 0 || strcmp(step, "message") == 0 ||
	       strcmp(step, "answer") == 0;
}

static void
judge(struct arena *arena, CURLcode code, const struct smtp_session *session, const char *why,
      struct mail_answer *out)
{
	bool late = is_after_sender(session->step);

	out->step = session->step;
	out->code = code_of(session->words);
	out->status = status_of(arena, session->words);
	out->words = arena_copy(arena, session->words);
	out->reached = late && out->code != 0 && out->code != 421;
	if (code == CURLE_OK) {
		out->outcome = MAIL_ACCEPTED;
		out->reached = true;
		return;
	}
	if (late && out->code >= 500)
		out->outcome = MAIL_REFUSED;
	else if (strcmp(session->step, "answer") == 0 && out->code == 0)
		out->outcome = MAIL_LOST;
	if (out->code >= 400)
		out->reason =
		        arena_printf(arena, "%s refused: %d%s%s", session->step, out->code,
		                     *out->status == '\0' ? "" : " ", out->status);
	else
		out->reason = arena_printf(arena, "%s: %s", session->step,
		                           code == CURLE_SEND_ERROR || *why == '\0'
		                                   ? curl_easy_strerror(code)
		                                   : why);
}

static void
run_session(struct mail_client *client, struct arena *arena, const struct mail_message *message,
            struct mail_answer *out)
{
	struct smtp_session session = {.message = message, .step = "connect"};
	struct curl_slist recipients;
	char why[CURL_ERROR_SIZE] = "";
	CURL *easy = client->easy;
	CURLcode code = CURLE_FAILED_INIT;

	*out = (struct mail_answer){
	        .outcome = MAIL_DELAYED, .step = "", .status = "", .words = ""};
	if (set_sockets(client) && set_rules(easy, &client->options) &&
	    set_tls(easy, &client->options) && set_user(easy, &client->options) &&
	    set_session(easy, &session, why) && set_message(easy, arena, message, &recipients))
		code = curl_easy_perform(easy);
	judge(arena, code, &session, why, out);
	if (curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &client->kept) != CURLE_OK)
		client->kept = CURL_SOCKET_BAD;
	/* The handle outlives what its options point to. */
	curl_easy_reset(easy);
}

void
mail_client_send(struct mail_client *client, struct arena *arena,
                 const struct mail_message *message, struct mail_answer *out)
{
	if (is_plain(message->recipient) && is_plain(message->sender)) {
		run_session(client, arena, message, out);
		return;
	}
	*out = (struct mail_answer){.outcome = MAIL_REFUSED,
	                            .step = "recipient",
	                            .reached = true,
	                            .status = "",
	                            .reason = "an address cannot be sent as it is",
	                            .words = ""};
}

void
mail_client_try(struct mail_client *client, struct arena *arena, struct mail_answer *out)
{
	run_session(client, arena, NULL, out);
}
