/* test_http_client.c: requests to a server that also behaves badly: what it receives, which
 * answer the client gives, and when there is none. */
#include "support/http_server.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/text.h"
#include "net/client.h"
#include "net/easy.h"

enum { BODY_MAX = 1000, TIMEOUT_MS = 10000 };

#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define ACTS(...) (const struct act[]){__VA_ARGS__}, ROWS(((const struct act[]){__VA_ARGS__}))

static struct task task;
static struct server server;
static struct http_client *client;
static bool serving;

static void
setup(void)
{
	task = suite_task();
	client = http_client_new(&(struct http_client_options){
	        .user_agent = "test/1", .connect_timeout_ms = 5000, .body_max = BODY_MAX});
	ck_assert_ptr_nonnull(client);
}

static void
serve(const struct act *acts, int count)
{
	server_start(&server, NULL, NULL, acts, (size_t)count);
	serving = true;
}

static void
stop(void)
{
	http_client_free(client);
	client = NULL;
	if (serving)
		server_stop(&server);
	serving = false;
}

static void
teardown(void)
{
	stop();
	suite_task_end(&task);
}

static char *
url(const char *path)
{
	return arena_printf(task.arena, "http://127.0.0.1:%d%s", server.port, path);
}

static struct http_answer
send_request(const struct http_request *request)
{
	struct http_request copy = *request;
	struct http_answer answer;

	if (copy.method == NULL)
		copy.method = "GET";
	if (copy.url == NULL)
		copy.url = url("/");
	if (copy.timeout_ms == 0)
		copy.timeout_ms = TIMEOUT_MS;
	http_client_send(client, task.arena, &copy, &answer);
	ck_assert((answer.outcome == HTTP_ANSWERED) == (answer.reason == NULL));
	ck_assert_ptr_nonnull(answer.body);
	ck_assert_int_eq(answer.body[answer.length], 0);
	return answer;
}

static void
answers_ok(void)
{
	struct http_answer answer = send_request(&(struct http_request){0});

	ck_assert_msg(answer.outcome == HTTP_ANSWERED, "%s", answer.reason);
	ck_assert_int_eq(answer.status, 200);
	ck_assert_str_eq(answer.body, "ok");
	ck_assert_uint_eq(answer.length, 2);
	ck_assert(answer.sent);
}

START_TEST(test_request_and_answer)
{
	const struct http_header headers[] = {{"Authorization", "Bearer secret"},
	                                      {"X-Empty", ""},
	                                      {"Accept", "a/b"},
	                                      {"X-Latin", "\xe9"}};
	struct http_answer answer;

	serve(ACTS({ACT_ANSWER, "HTTP/1.1 201 Created\r\nRequest-Id:  req_1 \r\nEmpty:\r\n"
	                        "Content-Length: 3\r\nrequest-id: second\r\n\r\na\nb"}));
	answer = send_request(&(struct http_request){.method = "POST",
	                                             .url = url("/v1/a%2Fb/../c?x[0]=1&y=%20"),
	                                             .headers = headers,
	                                             .header_count = ROWS(headers),
	                                             .body = "a=b\0c=d",
	                                             .body_length = 7});
	ck_assert_int_eq(answer.outcome, HTTP_ANSWERED);
	ck_assert_int_eq(answer.status, 201);
	ck_assert_str_eq(answer.body, "a\nb");
	ck_assert_uint_eq(answer.header_count, 4);
	ck_assert_str_eq(http_answer_header(&answer, "request-ID"), "req_1");
	ck_assert_str_eq(http_answer_header(&answer, "Empty"), "");
	ck_assert_ptr_null(http_answer_header(&answer, "Request"));
	stop();
	ck_assert_str_eq(
	        server.requests[0],
	        arena_printf(task.arena,
	                     "POST /v1/a%%2Fb/../c?x[0]=1&y=%%20 HTTP/1.1\r\n"
	                     "Host: 127.0.0.1:%d\r\nUser-Agent: test/1\r\n"
	                     "Authorization: Bearer secret\r\nX-Empty:\r\n"
	                     "Accept: a/b\r\nX-Latin: \xe9\r\nContent-Length: 7\r\n\r\na=b",
	                     server.port));
}
END_TEST

static const struct {
	const char *method;
	const char *body;
	const char *tail; /* of the request behind "Accept: x" */
} methods[] = {
        {"GET", NULL, "\r\n"},
        {"DELETE", NULL, "\r\n"},
        {"POST", NULL, "Content-Length: 0\r\n\r\n"},
        {"POST", "", "Content-Length: 0\r\n\r\n"},
        {"POST", "abc", "Content-Length: 3\r\n\r\nabc"},
        {"PUT", "abc", "Content-Length: 3\r\n\r\nabc"},
        {"PATCH", "abc", "Content-Length: 3\r\n\r\nabc"},
        {"DELETE", "abc", "Content-Length: 3\r\n\r\nabc"},
};

START_TEST(test_methods)
{
	const struct http_header header = {"Accept", "x"};
	const char *body = methods[_i].body;

	/* The request before leaves nothing behind. */
	serve(ACTS({ACT_ANSWER, OK_ANSWER}, {ACT_ANSWER, OK_ANSWER}));
	(void)send_request(&(struct http_request){.method = "POST",
	                                          .headers = &header,
	                                          .header_count = 1,
	                                          .body = "before",
	                                          .body_length = 6});
	(void)send_request(&(struct http_request){.method = methods[_i].method,
	                                          .headers = &header,
	                                          .header_count = 1,
	                                          .body = body,
	                                          .body_length = body ? strlen(body) : 0});
	stop();
	ck_assert_int_eq(server.connections, 1);
	ck_assert_str_eq(server.requests[1],
	                 arena_printf(task.arena,
	                              "%s / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
	                              "User-Agent: test/1\r\nAccept: x\r\n%s",
	                              methods[_i].method, server.port, methods[_i].tail));
}
END_TEST

START_TEST(test_connections_are_kept)
{
	serve(ACTS({ACT_ANSWER,
	            "HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\nok"},
	           {ACT_ANSWER, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	                        "1\r\no\r\n1\r\nk\r\n0\r\nTrailer: x\r\n\r\n"},
	           {ACT_ANSWER, OK_ANSWER}));
	for (int i = 0; i < 3; i++)
		answers_ok();
	stop();
	ck_assert_int_eq(server.connections, 1);
	ck_assert_ptr_null(strcasestr(server.requests[2], "cookie"));
}
END_TEST

/* A kept connection that the server has closed is replaced. */
START_TEST(test_stale_connection)
{
	static const enum act_kind ends[] = {ACT_ANSWER_CLOSE, ACT_ANSWER_RESET};

	serve(ACTS({ACT_ANSWER, OK_ANSWER}, {ends[_i], ""}, {ACT_ANSWER, OK_ANSWER}));
	answers_ok();
	answers_ok();
	stop();
	ck_assert_int_eq(server.connections, 2);
	ck_assert_str_eq(server.requests[1], server.requests[2]);
}
END_TEST

#define LONG_CHUNK "64\r\n" HUNDRED "\r\n"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
#define TEN "0123456789"

/* Ways in which a server does not answer. */
static const struct {
	const char *name;
	struct act act;
	enum http_outcome outcome;
	int status;
} faults[] = {
        {"closes", {ACT_ANSWER_CLOSE, ""}, HTTP_RESET, 0},
        {"resets", {ACT_ANSWER_RESET, ""}, HTTP_RESET, 0},
        {"cuts the head",
         {ACT_ANSWER_CLOSE, "HTTP/1.1 200 OK\r\nContent-Le"},
         HTTP_NO_ANSWER,
         0},
        {"cuts the body",
         {ACT_ANSWER_CLOSE, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{\"id\":1}"},
         HTTP_NO_ANSWER,
         0},
        {"cuts the chunks",
         {ACT_ANSWER_CLOSE, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"},
         HTTP_NO_ANSWER,
         0},
        {"speaks another language", {ACT_ANSWER_CLOSE, "220 smtp\r\n"}, HTTP_NO_ANSWER, 0},
        {"speaks none", {ACT_ANSWER_CLOSE, "\xff\xfe\r\n\r\n"}, HTTP_NO_ANSWER, 0},
        {"announces too much",
         {ACT_ANSWER_CLOSE, "HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n"},
         HTTP_TOO_LARGE,
         200},
        {"sends too much",
         {ACT_ANSWER_CLOSE,
          "HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n" LONG_CHUNK LONG_CHUNK
                  LONG_CHUNK LONG_CHUNK LONG_CHUNK LONG_CHUNK LONG_CHUNK LONG_CHUNK LONG_CHUNK
                          LONG_CHUNK LONG_CHUNK "0\r\n\r\n"},
         HTTP_TOO_LARGE,
         500},
};

START_TEST(test_faults)
{
	struct http_answer answer;

	serve(&faults[_i].act, 1);
	answer = send_request(
	        &(struct http_request){.method = "POST", .body = "a=b", .body_length = 3});
	ck_assert_msg(answer.outcome == faults[_i].outcome, "%s: %d, %s", faults[_i].name,
	              answer.outcome, answer.reason);
	ck_assert_int_eq(answer.status, faults[_i].status);
	ck_assert_str_eq(answer.body, "");
	ck_assert_uint_eq(answer.header_count, 0);
	ck_assert(answer.sent);
	ck_assert_str_ne(answer.reason, "");
	stop();
	ck_assert_uint_eq(server.request_count, 1);
}
END_TEST

START_TEST(test_a_head_is_bounded)
{
	const char *line = arena_printf(task.arena, "X-More: %01000d\r\n", 7);
	struct text text = text_new(task.arena, 100000);
	struct http_answer answer;

	text_add(&text, "HTTP/1.1 200 OK\r\n");
	while (text.length <= EASY_HEAD_MAX)
		text_add(&text, line);
	text_add(&text, "Content-Length: 0\r\n\r\n");
	serve(ACTS({ACT_ANSWER_CLOSE, text.data}));
	answer = send_request(&(struct http_request){0});
	ck_assert_int_eq(answer.outcome, HTTP_TOO_LARGE);
	ck_assert_str_eq(answer.reason, "the answer is too large");
}
END_TEST

START_TEST(test_largest_body)
{
	char *body = arena_alloc(task.arena, BODY_MAX + 1);

	memset(body, 'x', BODY_MAX);
	serve(ACTS({ACT_ANSWER,
	            arena_printf(task.arena, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s",
	                         BODY_MAX, body)},
	           {ACT_ANSWER, OK_ANSWER}));
	ck_assert_str_eq(send_request(&(struct http_request){0}).body, body);
	answers_ok();
	ck_assert_int_eq(server.connections, 1);
}
END_TEST

/* A silent or slow server cannot exceed the timeout, with every signal blocked. */
START_TEST(test_time)
{
	static const struct act slow[] = {
	        {ACT_HANG, ""},
	        {ACT_DRIP,
	         "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" HUNDRED HUNDRED HUNDRED},
	        {ACT_DRIP, "HTTP/1.1 200 OK\r\nX-Head: " HUNDRED HUNDRED HUNDRED},
	};
	int64_t started_us = clock_monotonic_us(), took_ms;
	struct http_answer answer;
	sigset_t all, before;

	serve(&slow[_i], 1);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	/* A name, because another thread looks names up. */
	answer = send_request(&(struct http_request){
	        .url = arena_printf(task.arena, "http://localhost:%d/", server.port),
	        .timeout_ms = 1000});
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	took_ms = (clock_monotonic_us() - started_us) / 1000;
	ck_assert_int_eq(answer.outcome, HTTP_NO_ANSWER);
	ck_assert_int_eq(answer.status, 0);
	ck_assert(answer.sent);
	ck_assert_int_ge(took_ms, 990); /* libcurl counts whole milliseconds */
	ck_assert_int_lt(took_ms, 20000);
}
END_TEST

START_TEST(test_no_time)
{
	serve(ACTS({ACT_ANSWER, OK_ANSWER}));
	ck_assert_int_eq(send_request(&(struct http_request){.timeout_ms = -1}).outcome,
	                 HTTP_NO_ANSWER);
	answers_ok();
	ck_assert_int_eq(server.connections, 1);
}
END_TEST

/* A port that nobody listens on, and URLs of no web server. */
START_TEST(test_nobody_there)
{
	static const char *const urls[] = {"file:///etc/passwd",
	                                   "ftp://127.0.0.1/",
	                                   "gopher://127.0.0.1/",
	                                   "https://127.0.0.1:1/",
	                                   "no-scheme",
	                                   "http://",
	                                   "http://name.invalid/",
	                                   ""};
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct http_answer answer;

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	server.port = ntohs(address.sin_port);
	answer = send_request(&(struct http_request){0});
	ck_assert_int_eq(answer.outcome, HTTP_NO_ANSWER);
	ck_assert(!answer.sent);
	for (int i = 0; i < ROWS(urls); i++) {
		answer = send_request(
		        &(struct http_request){.url = urls[i], .timeout_ms = 2000});
		ck_assert_msg(answer.outcome == HTTP_NO_ANSWER && !answer.sent, "%s", urls[i]);
		ck_assert_uint_eq(answer.length, 0);
	}
	close(fd);
}
END_TEST

static const struct {
	const char *method;
	const char *path;
	struct http_header header;
} injections[] = {
        {"GET", "/", {"X", "a\r\nEvil: 1"}},
        {"GET", "/", {"X", "a\nEvil: 1"}},
        {"GET", "/", {"X", "a\rEvil: 1"}},
        {"GET", "/", {"X", "a\x7f"}},
        {"GET", "/", {"X", "a\x01"}},
        {"GET", "/", {"X\r\nEvil", "1"}},
        {"GET", "/", {"X: 1\nEvil", "1"}},
        {"GET", "/", {"X: y", "1"}},
        {"GET", "/", {"X y", "1"}},
        {"GET / HTTP/1.1\r\nEvil: 1\r\n\r\nGET", "/", {"X", "1"}},
        {"GET /other", "/", {"X", "1"}},
        {"GET", "/ HTTP/1.1\r\nEvil: 1", {"X", "1"}},
        {"GET", "/\nEvil", {"X", "1"}},
        {"GET", "/a b", {"X", "1"}},
};

START_TEST(test_injections)
{
	struct http_answer answer;

	serve(ACTS({ACT_ANSWER, OK_ANSWER}));
	answer = send_request(&(struct http_request){.method = injections[_i].method,
	                                             .url = url(injections[_i].path),
	                                             .headers = &injections[_i].header,
	                                             .header_count = 1});
	ck_assert_int_eq(answer.outcome, HTTP_NO_ANSWER);
	ck_assert(!answer.sent);
	stop();
	ck_assert_int_eq(server.connections, 0);
}
END_TEST

START_TEST(test_redirects_are_answers)
{
	struct http_answer answer;

	serve(ACTS({ACT_ANSWER,
	            "HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n"},
	           {ACT_ANSWER, OK_ANSWER}));
	answer = send_request(&(struct http_request){0});
	ck_assert_int_eq(answer.status, 302);
	ck_assert_str_eq(http_answer_header(&answer, "Location"), "/other");
	stop();
	ck_assert_uint_eq(server.request_count, 1);
}
END_TEST

START_TEST(test_interim_answers)
{
	struct http_answer answer;

	serve(ACTS({ACT_ANSWER, "HTTP/1.1 100 Continue\r\nA: interim\r\n\r\n"
	                        "HTTP/1.1 103 Early Hints\r\nB: interim\r\n\r\n"
	                        "HTTP/1.1 404 No\r\nC: last\r\nContent-Length: 1\r\n\r\nx"}));
	answer = send_request(&(struct http_request){0});
	ck_assert_int_eq(answer.status, 404);
	ck_assert_ptr_null(http_answer_header(&answer, "A"));
	ck_assert_ptr_null(http_answer_header(&answer, "B"));
	ck_assert_str_eq(http_answer_header(&answer, "C"), "last");
	ck_assert_str_eq(answer.body, "x");
}
END_TEST

/* Proxies, .netrc and other settings of the environment are ignored. */
START_TEST(test_environment)
{
	char *folder = suite_folder(task.arena);
	char *netrc = arena_printf(task.arena, "%s/.netrc", folder);
	FILE *file = fopen(netrc, "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs("default login someone password something\n", file), 0);
	ck_assert_int_eq(fclose(file), 0);
	setenv("HOME", folder, 1);
	setenv("NETRC", netrc, 1);
	setenv("http_proxy", "http://127.0.0.1:1/", 1);
	setenv("all_proxy", "http://127.0.0.1:1/", 1);
	serve(ACTS({ACT_ANSWER, OK_ANSWER}));
	answers_ok();
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	ck_assert_ptr_null(strcasestr(server.requests[0], "Authorization"));
	suite_folder_remove(task.arena, folder);
}
END_TEST

START_TEST(test_unix_socket)
{
	char *folder = suite_folder(task.arena);
	char *path = arena_printf(task.arena, "%s/socket", folder);
	struct http_answer answer;

	http_client_free(client);
	client = http_client_new(&(struct http_client_options){
	        .user_agent = "test/1", .unix_socket = path, .body_max = BODY_MAX});
	server_start(&server, NULL, path, ACTS({ACT_ANSWER, OK_ANSWER}));
	serving = true;
	answer = send_request(&(struct http_request){.url = "http://api.example.com/v1"});
	ck_assert_msg(answer.outcome == HTTP_ANSWERED, "%s", answer.reason);
	ck_assert(strstr(server.requests[0], "GET /v1 HTTP/1.1\r\nHost: api.example.com\r\n"));
	suite_folder_remove(task.arena, folder);
}
END_TEST

/* A key must not leave this machine over plain HTTP. */
START_TEST(test_urls_for_keys)
{
	static const char *const fine[] = {"https://api.example.com/v1",
	                                   "HTTPS://api.example.com",
	                                   "http://127.0.0.1:8080",
	                                   "http://127.0.0.2:8080",
	                                   "http://localhost",
	                                   "http://LOCALHOST:1/",
	                                   "http://[::1]/x",
	                                   "http://[0:0::1]:80"};
	static const char *const refused[] = {"http://api.example.com",
	                                      "http://localhost.example.com",
	                                      "http://localhost.",
	                                      "http://127.0.0.1.example.com",
	                                      "http://126.0.0.1",
	                                      "http://128.0.0.1",
	                                      "http://127.0.0.256",
	                                      "http://0.0.0.0",
	                                      "http://[::2]",
	                                      "http://[::]",
	                                      "http://[::1].example.com",
	                                      "ftp://localhost",
	                                      "file:///etc/passwd",
	                                      "localhost",
	                                      "http:/",
	                                      "https://",
	                                      "https://exa mple.com",
	                                      ""};
	static const char *const users[] = {"http://127.0.0.1:1@127.0.0.2:9599",
	                                    "http://127.0.0.1@example.com",
	                                    "https://me@example.com",
	                                    "https://me:secret@example.com",
	                                    "https://:secret@example.com",
	                                    "https://@example.com"};

	for (int i = 0; i < ROWS(fine); i++)
		ck_assert_msg(http_check_key_url(fine[i]) == NULL, "%s", fine[i]);
	for (int i = 0; i < ROWS(refused); i++)
		ck_assert_msg(http_check_key_url(refused[i]) != NULL, "%s", refused[i]);
	for (int i = 0; i < ROWS(users); i++)
		ck_assert_msg(text_starts_with(http_check_key_url(users[i]), "must not"), "%s",
		              users[i]);
}
END_TEST

START_TEST(test_several_clients)
{
	struct http_client *other = http_client_new(
	        &(struct http_client_options){.user_agent = "other", .body_max = BODY_MAX});

	ck_assert_ptr_nonnull(other);
	http_client_free(other);
	http_client_free(NULL);
	serve(ACTS({ACT_ANSWER, OK_ANSWER}));
	answers_ok();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("http client");
	TCase *tcase = tcase_create("http client");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_request_and_answer);
	tcase_add_loop_test(tcase, test_methods, 0, ROWS(methods));
	tcase_add_test(tcase, test_connections_are_kept);
	tcase_add_loop_test(tcase, test_stale_connection, 0, 2);
	tcase_add_loop_test(tcase, test_faults, 0, ROWS(faults));
	tcase_add_test(tcase, test_largest_body);
	tcase_add_test(tcase, test_a_head_is_bounded);
	tcase_add_loop_test(tcase, test_time, 0, 3);
	tcase_add_test(tcase, test_no_time);
	tcase_add_test(tcase, test_nobody_there);
	tcase_add_loop_test(tcase, test_injections, 0, ROWS(injections));
	tcase_add_test(tcase, test_redirects_are_answers);
	tcase_add_test(tcase, test_interim_answers);
	tcase_add_test(tcase, test_environment);
	tcase_add_test(tcase, test_unix_socket);
	tcase_add_test(tcase, test_urls_for_keys);
	tcase_add_test(tcase, test_several_clients);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
