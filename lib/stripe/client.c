/* client.c: sends one request to Stripe, repeats it where that is safe, and concludes what is known. */
#include "stripe/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "base/version.h"
#include "net/client.h"
#include "stripe/client_internal.h"

#define USER_AGENT "global-billing/" VERSION

enum {
	MESSAGE_MAX = 500, /* bytes of Stripe's message that are kept */
	BODY_MAX = 8 * 1024 * 1024,
	ATTEMPT_MIN_US = 200 * 1000, /* with less time left none is begun */
	UNANSWERED_MAX = 5,
	PAUSE_US = 5 * 1000 * 1000,
	HEADERS_MAX = 6,
	UNAUTHORIZED = 401
};

struct stripe_client {
	struct stripe_client_options options;
	struct http_client *http;
	struct stripe_io io;
	int unanswered;        /* requests in a row */
	int64_t not_before_us; /* after too many unanswered requests */
	bool acknowledged;     /* see stripe_client_was_acknowledged() */
};

/* One request and what is known after its attempts so far. */
struct call {
	const struct stripe_request *request;
	struct http_request http;
	struct http_header headers[HEADERS_MAX];
	const char *log_path;
	bool answered; /* by any of the attempts */
	bool in_doubt; /* one of them may have been carried out */
};

static const char *const method_names[] = {
        [STRIPE_GET] = "GET", [STRIPE_POST] = "POST", [STRIPE_DELETE] = "DELETE"};

static void
real_send(void *context, struct arena *arena, const struct http_request *request,
          struct http_answer *out)
{
	http_client_send(context, arena, request, out);
}

static int64_t
real_now_us(void *context)
{
	(void)context;
	return clock_monotonic_us();
}

static void
real_wait(void *context, int64_t us)
{
	struct timespec left = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};

	(void)context;
	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		;
}

static double
real_random(void *context)
{
	uint32_t bits;

	(void)context;
	random_bytes(&bits, sizeof(bits));
	return (double)bits / 4294967296.0;
}

struct stripe_client *
stripe_client_new(const struct stripe_client_options *options)
{
	struct stripe_client *client = calloc(1, sizeof(*client));

	if (client == NULL)
		return NULL;
	client->options = *options;
	client->http = http_client_new(&(struct http_client_options){
	        .user_agent = USER_AGENT,
	        .ca_file = options->ca_file,
	        .connect_timeout_ms = options->connect_timeout_ms,
	        .body_max = BODY_MAX,
	});
	if (client->http == NULL) {
		free(client);
		return NULL;
	}
	client->io = (struct stripe_io){client->http, real_send, real_now_us, real_wait,
	                                real_random};
	return client;
}

void
stripe_client_free(struct stripe_client *client)
{
	if (client == NULL)
		return;
	http_client_free(client->http);
	free(client);
}

void
stripe_client_use_io(struct stripe_client *client, const struct stripe_io *io)
{
	client->io = *io;
}

/* Prepares what all attempts send. The copy of the key is in the arena, which is wiped. */
static void
prepare(const struct stripe_client *client, struct arena *arena, struct call *call)
{
	const struct stripe_client_options *options = &client->options;
	const struct stripe_request *request = call->request;
	bool post = request->method == STRIPE_POST;
	bool query = !post && request->form != NULL && request->form[0] != '\0';
	size_t count = 0;

	call->headers[count++] = (struct http_header){
	        "Authorization", arena_printf(arena, "Bearer %s", options->secret_key)};
	call->headers[count++] = (struct http_header){"Stripe-Version", options->api_version};
	call->headers[count++] = (struct http_header){"Accept", "application/json"};
	call->headers[count++] =
	        (struct http_header){"Content-Type", "application/x-www-form-urlencoded"};
	if (post && request->idempotency_key != NULL)
		call->headers[count++] =
		        (struct http_header){"Idempotency-Key", request->idempotency_key};
	call->http = (struct http_request){
	        .method = method_names[request->method],
	        .url = arena_printf(arena, "%s%s%s%s", options->api_base, request->path,
	                            query ? "?" : "", query ? request->form : ""),
	        .headers = call->headers,
	        .header_count = count,
	};
	if (post) {
		call->http.body = request->form != NULL ? request->form : "";
		call->http.body_length = strlen(call->http.body);
	}
	call->log_path = arena_copy_bytes(arena, request->path, strcspn(request->path, "?"));
}

/* Stripe's message without e-mail addresses, which belong neither into logs nor into rows that
 * outlive their customer; NULL when it repeats our key. */
static const char *
message_to_keep(const struct stripe_client *client, struct arena *arena, const char *message)
{
	struct text out = text_new(arena, MESSAGE_MAX);

	if (strstr(message, client->options.secret_key) != NULL)
		return NULL;
	message = arena_copy_bytes(arena, message, text_cut(message, MESSAGE_MAX));
	while (*message != '\0') {
		size_t blanks = strspn(message, " \t\r\n"), word;

		word = strcspn(message + blanks, " \t\r\n");
		text_add_bytes(&out, message, blanks);
		if (memchr(message + blanks, '@', word) != NULL)
			text_add(&out, "(address)");
		else
			text_add_bytes(&out, message + blanks, word);
		message += blanks + word;
	}
	return out.data;
}

/* The members of an answer that is no success: {"error": {"type", "code", "message"}}. */
static void
read_error(const struct stripe_client *client, const struct json_view *body,
           struct stripe_answer *out)
{
	const struct json_view *error = &out->object;
	const char *message = NULL;

	(void)json_view_object(body, "error", &out->object);
	(void)json_view_string(error, "type", &out->error_type);
	(void)json_view_string(error, "code", &out->error_code);
	(void)json_view_string(error, "param", &out->error_param);
	if (json_view_string(error, "message", &message))
		out->error_message = message_to_keep(client, error->arena, message);
}

static bool
is_success(int status)
{
	return status >= 200 && status < 300;
}

/* The outcome that one attempt alone shows. */
static enum stripe_outcome
judge_status(const struct stripe_answer *answer)
{
	if (answer->status == 429)
		return STRIPE_NOT_NOW;
	/* The first request under this key is still being carried out. */
	if (answer->status == 409)
		return text_equal(answer->error_code, "idempotency_key_in_use")
		               ? STRIPE_UNKNOWN
		               : STRIPE_NOT_NOW;
	return answer->status >= 400 && answer->status < 500 ? STRIPE_REFUSED : STRIPE_UNKNOWN;
}

static void
read_answer(const struct stripe_client *client, struct task *task,
            const struct http_answer *http, struct stripe_answer *out)
{
	struct json_view body;
	const char *replayed = http_answer_header(http, "Idempotent-Replayed");
	int attempts = out->attempts;
	bool is_object;

	*out = (struct stripe_answer){.attempts = attempts, .status = http->status};
	if (http->outcome != HTTP_ANSWERED) {
		out->outcome = http->sent ? STRIPE_UNKNOWN : STRIPE_NOT_NOW;
		return;
	}
	out->request_id = http_answer_header(http, "Request-Id");
	out->replayed = text_equal(replayed, "true");
	is_object = json_view_read_foreign(task->arena, http->body, http->length, &body) &&
	            json_view_is_object(&body);
	if (!is_success(out->status)) {
		read_error(client, &body, out);
		out->outcome = judge_status(out);
		return;
	}
	if (is_object)
		out->object = body;
	out->outcome = is_object ? STRIPE_DONE : STRIPE_UNKNOWN;
}

static void
log_attempt(const struct task *task, const struct call *call, const struct http_answer *http,
            const struct stripe_answer *out, int64_t took_us)
{
	log_line(LOG_LEVEL_INFO, "request to Stripe", LOG_S("request_id", task->request_id),
	         LOG_S("method", call->http.method), LOG_S("path", call->log_path),
	         LOG_I("attempt", out->attempts), LOG_I("status", out->status),
	         LOG_S("reason", http->reason), LOG_S("stripe_request_id", out->request_id),
	         LOG_S("error_type", out->error_type), LOG_S("error_code", out->error_code),
	         LOG_S("error_param", out->error_param),
	         LOG_S("error_message", out->error_message), LOG_MS("ms", took_us));
}

/* Whether the answer also tells if an earlier attempt, whose outcome is unknown, was carried
 * out. A success does. So does a refusal under the same key, as Stripe would have replayed the
 * earlier answer. A 401 or 403 does not: Stripe checks authentication before idempotency. */
static bool
is_conclusive(const struct stripe_request *request, const struct stripe_answer *out)
{
	if (out->outcome == STRIPE_DONE || request->method == STRIPE_GET)
		return true;
	return out->outcome == STRIPE_REFUSED && request->method == STRIPE_POST &&
	       request->idempotency_key != NULL && out->status != 401 && out->status != 403;
}

/* Makes one attempt within `left_us`. True: try again after `*wait_us`. */
static bool
attempt(struct stripe_client *client, struct task *task, struct call *call, int64_t left_us,
        struct stripe_answer *out, int64_t *wait_us)
{
	const struct stripe_io *io = &client->io;
	int64_t started_us = io->now_us(io->context), left_ms = left_us / 1000;
	struct http_answer http;

	call->http.timeout_ms = client->options.attempt_timeout_ms < left_ms
	                                ? client->options.attempt_timeout_ms
	                                : left_ms;
	io->send(io->context, task->arena, &call->http, &http);
	out->attempts++;
	read_answer(client, task, &http, out);
	log_attempt(task, call, &http, out, io->now_us(io->context) - started_us);
	call->answered = call->answered || out->status != 0;
	if (call->in_doubt && !is_conclusive(call->request, out))
		out->outcome = STRIPE_UNKNOWN;
	call->in_doubt = out->outcome == STRIPE_UNKNOWN;
	if (is_success(out->status))
		return false;
	*wait_us =
	        stripe_retry_wait_us(out->status, out->attempts - 1, io->random(io->context));
	return stripe_should_retry(out->status, http.outcome == HTTP_RESET,
	                           http_answer_header(&http, "Stripe-Should-Retry"),
	                           out->attempts - 1, client->options.max_retries);
}

/* Why the request is not sent at all, or NULL. */
static const char *
reason_not_to_send(const struct stripe_client *client, int64_t now_us, int64_t deadline_us)
{
	if (client->unanswered >= UNANSWERED_MAX && now_us < client->not_before_us)
		return "Stripe has not answered lately";
	return deadline_us - now_us < ATTEMPT_MIN_US ? "no time left" : NULL;
}

static void
count_unanswered(struct stripe_client *client, bool answered)
{
	client->unanswered = answered ? 0 : client->unanswered + 1;
	if (client->unanswered >= UNANSWERED_MAX) {
		client->unanswered = UNANSWERED_MAX;
		client->not_before_us = client->io.now_us(client->io.context) + PAUSE_US;
	}
}

void
stripe_client_send(struct stripe_client *client, struct task *task,
                   const struct stripe_request *request, struct stripe_answer *out)
{
	const struct stripe_io *io = &client->io;
	struct call call = {.request = request};
	int64_t now_us = io->now_us(io->context), wait_us = 0;
	const char *reason = reason_not_to_send(client, now_us, request->deadline_us);

	*out = (struct stripe_answer){.outcome = STRIPE_NOT_NOW};
	client->acknowledged = false;
	prepare(client, task->arena, &call);
	if (reason != NULL) {
		log_line(LOG_LEVEL_WARNING, "request to Stripe not sent",
		         LOG_S("request_id", task->request_id),
		         LOG_S("method", call.http.method), LOG_S("path", call.log_path),
		         LOG_S("reason", reason));
		return;
	}
	while (attempt(client, task, &call, request->deadline_us - now_us, out, &wait_us)) {
		now_us = io->now_us(io->context);
		if (request->deadline_us - now_us - wait_us < ATTEMPT_MIN_US)
			break;
		io->wait(io->context, wait_us);
		now_us = io->now_us(io->context);
		if (request->deadline_us - now_us < ATTEMPT_MIN_US)
			break;
	}
	count_unanswered(client, call.answered);
	client->acknowledged = out->outcome == STRIPE_DONE ||
	                       (out->outcome == STRIPE_REFUSED && out->status != UNAUTHORIZED);
}

bool
stripe_client_was_acknowledged(const struct stripe_client *client)
{
	return client->acknowledged;
}
