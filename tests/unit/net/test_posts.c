/* test_posts.c: many requests at a time to servers that also behave badly. */
#include "support/http_server.h"

#include "base/clock.h"
#include "base/text.h"
#include "net/easy.h"
#include "net/posts.h"

/* The time limit of the tests of servers that hang, and that of the others. */
enum { TIMEOUT_MS = 400, PATIENT_MS = 20000 };

#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define ACTS(...) (const struct act[]){__VA_ARGS__}, ROWS(((const struct act[]){__VA_ARGS__}))

static struct arena *arena;
static struct server server;
static struct posts *posts;
static int asked, admitted; /* addresses; -1 admits all */

static bool
admits(void *context, const struct sockaddr *address, bool https)
{
	ck_assert_ptr_eq(context, &asked);
	ck_assert(!https && address->sa_family == AF_INET);
	return admitted < 0 || asked++ < admitted;
}

static void
begin(int64_t timeout_ms)
{
	arena = arena_new((size_t)1024 * 1024);
	asked = 0;
	admitted = -1;
	posts = posts_new(&(struct posts_options){.user_agent = "test/1",
	                                          .connect_timeout_ms = timeout_ms,
	                                          .timeout_ms = timeout_ms,
	                                          .idle_max = 4,
	                                          .admits = admits,
	                                          .context = &asked});
	ck_assert_ptr_nonnull(posts);
}

static void
setup(void)
{
	begin(TIMEOUT_MS);
}

static void
setup_patient(void)
{
	begin(PATIENT_MS);
}

static void
teardown(void)
{
	posts_free(posts);
	server_stop(&server);
	arena_free(arena);
}

static void
serve(const struct act *acts, int count)
{
	server_start(&server, NULL, NULL, acts, (size_t)count);
}

static void
start(const char *host, void *about)
{
	const char *const headers[] = {"Content-Type: application/json", "webhook-id: evt_1"};
	const struct post post = {
	        .url = arena_printf(arena, "http://%s:%d/hook", host, server.port),
	        .headers = headers,
	        .header_count = 2,
	        .body = "{\"a\":1}",
	        .length = 7,
	        .about = about};

	ck_assert(posts_start(posts, &post));
}

/* The next request that is over. */
static struct post_answer
next(void)
{
	struct post_answer answer;

	for (int i = 0; i < 1000; i++) {
		posts_run(posts, 10);
		if (posts_next(posts, &answer))
			return answer;
	}
	ck_abort_msg("no answer");
}

static struct post_answer
ask(const struct act *acts, int count)
{
	serve(acts, count);
	start("127.0.0.1", NULL);
	return next();
}

START_TEST(test_an_answer)
{
	struct post_answer answer;
	int about = 0;

	serve(ACTS({ACT_ANSWER, OK_ANSWER}));
	start("127.0.0.1", &about);
	answer = next();
	ck_assert_ptr_eq(answer.about, &about);
	ck_assert_int_eq(answer.status, 200);
	ck_assert_str_eq(answer.reason, "");
	ck_assert_str_eq(answer.body, "ok");
	ck_assert(!posts_next(posts, &answer));
	ck_assert_ptr_nonnull(strstr(server.requests[0], "POST /hook HTTP/1.1\r\n"));
	ck_assert_ptr_nonnull(strstr(server.requests[0], "\r\nwebhook-id: evt_1\r\n"));
	ck_assert_ptr_nonnull(strstr(server.requests[0], "\r\n\r\n{\"a\":1}"));
	ck_assert_ptr_null(strstr(server.requests[0], "Expect"));
}
END_TEST

START_TEST(test_the_beginning_of_a_long_answer)
{
	char text[4096] = "HTTP/1.1 201 Created\r\nContent-Length: 100000\r\n\r\n";
	struct post_answer answer;
	size_t head = strlen(text);

	memset(text + head, 'x', sizeof(text) - 1 - head);
	answer = ask(ACTS({ACT_ANSWER, text}));
	ck_assert_int_eq(answer.status, 201);
	ck_assert_str_eq(answer.reason, "");
	ck_assert_uint_eq(answer.length, POSTS_ANSWER_MAX);
}
END_TEST

START_TEST(test_redirects_are_not_followed)
{
	struct post_answer answer = ask(
	        ACTS({ACT_ANSWER,
	              "HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n"}));

	ck_assert_int_eq(answer.status, 302);
	ck_assert_uint_eq(server.request_count, 1);
}
END_TEST

START_TEST(test_time_is_asked_for)
{
	struct post_answer answer = ask(
	        ACTS({ACT_ANSWER,
	              "HTTP/1.1 429 Slow\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n"}));

	ck_assert_int_eq(answer.status, 429);
	ck_assert_int_eq(answer.retry_after_s, 120);
}
END_TEST

START_TEST(test_answers_that_are_not_whole)
{
	static const char *const texts[] = {
	        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", "HTTP/1.1 200 OK\r\n",
	        ""};
	struct post_answer answer = ask(ACTS({ACT_ANSWER_CLOSE, texts[_i]}));

	ck_assert_str_ne(answer.reason, "");
}
END_TEST

#define TEN_TIMES(text) text text text text text text text text text text
#define LONG_TEXT TEN_TIMES("01234567890123456789012345678901234567890123456789")

/* An answer of this line many times, and an end of it. */
static const char *
repeat(const char *begin, const char *line, const char *end)
{
	struct text text = text_new(arena, 100000);

	text_add(&text, begin);
	while (text.length < EASY_HEAD_MAX + 4096)
		text_add(&text, line);
	text_add(&text, end);
	return text.data;
}

START_TEST(test_a_head_is_bounded)
{
	static const char *const texts[][3] = {
	        {"HTTP/1.1 200 OK\r\n", "X-More: " LONG_TEXT "\r\n",
	         "Content-Length: 0\r\n\r\n"},
	        {"", "HTTP/1.1 100 Continue\r\nX-More: " LONG_TEXT "\r\n\r\n", OK_ANSWER},
	        {"HTTP/1.1 200 OK\r\nX-Long: ", LONG_TEXT, "\r\nContent-Length: 0\r\n\r\n"}};
	const char *text = repeat(texts[_i][0], texts[_i][1], texts[_i][2]);
	struct post_answer answer = ask(ACTS({ACT_ANSWER, text}));

	ck_assert_str_eq(answer.reason, "the head of the answer is too long");
}
END_TEST

/* Interim answers count for nothing else. */
START_TEST(test_an_interim_answer)
{
	struct post_answer answer = ask(
	        ACTS({ACT_ANSWER, "HTTP/1.1 100 Continue\r\n\r\n"
	                          "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" OK_ANSWER}));

	ck_assert_int_eq(answer.status, 200);
	ck_assert_str_eq(answer.reason, "");
	ck_assert_str_eq(answer.body, "ok");
}
END_TEST

START_TEST(test_no_answers_of_this_protocol)
{
	static const char *const texts[] = {
	        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno number\r\n",
	        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	         "ffffffffffffffffffff\r\nx\r\n"),
	        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhalf",
	        "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
	        "HTTP/9.9 200 OK\r\n\r\n",
	        "hello",
	        "220 mail.example ESMTP\r\n",
	        "\x15\x03\x01\x00\x02\x02\x28",
	        "HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\n\x00"};
	struct post_answer answer = ask(ACTS({ACT_ANSWER_CLOSE, texts[_i]}));

	ck_assert_str_ne(answer.reason, "");
	for (const char *at = answer.reason; *at != '\0'; at++)
		ck_assert(*at >= ' ' && *at <= '~');
}
END_TEST

/* A byte from time to time does not keep a request alive. */
START_TEST(test_a_server_that_drips)
{
	int64_t before_us = clock_monotonic_us();
	struct post_answer answer = ask(ACTS(
	        {ACT_DRIP, "HTTP/1.1 200 OK\r\nX-More: 0123456789012345678901234567890123456"
	                   "789012345678901234567890123456789012345678901234567890123456789"}));

	ck_assert_str_ne(answer.reason, "");
	ck_assert_int_ge(clock_monotonic_us() - before_us, (TIMEOUT_MS - 50) * 1000);
}
END_TEST

START_TEST(test_a_server_that_hangs)
{
	int64_t before_us = clock_monotonic_us();
	struct post_answer answer = ask(ACTS({ACT_HANG, NULL}));

	ck_assert_int_eq(answer.status, 0);
	ck_assert_str_ne(answer.reason, "");
	ck_assert_int_ge(clock_monotonic_us() - before_us, (TIMEOUT_MS - 50) * 1000);
}
END_TEST

/* No connection is made where the address is not admitted, however the host is written. */
START_TEST(test_an_address_that_is_not_admitted)
{
	static const char *const hosts[] = {"127.0.0.1", "127.1", "2130706433", "0x7f.1",
	                                    "017700000001"};
	struct post_answer answer;

	serve(ACTS({ACT_ANSWER, OK_ANSWER}));
	admitted = 0;
	start(hosts[_i], NULL);
	answer = next();
	ck_assert(answer.refused);
	ck_assert_str_eq(answer.reason, "the address is not allowed");
	ck_assert_int_eq(asked, 1);
	ck_assert_int_eq(server.connections, 0);
}
END_TEST

/* Each connection is judged anew: an address that was admitted before is refused. */
START_TEST(test_each_connection_is_judged)
{
	struct post_answer answer;

	serve(ACTS({ACT_ANSWER_CLOSE, OK_ANSWER}, {ACT_ANSWER, OK_ANSWER}));
	admitted = 1;
	start("127.0.0.1", NULL);
	ck_assert_int_eq(next().status, 200);
	start("127.0.0.1", NULL);
	answer = next();
	ck_assert(answer.refused);
	ck_assert_int_eq(server.connections, 1);
}
END_TEST

/* The proxy of the environment is not asked. */
START_TEST(test_no_proxy)
{
	ck_assert_int_eq(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
	ck_assert_int_eq(setenv("ALL_PROXY", "http://127.0.0.1:1", 1), 0);
	ck_assert_int_eq(ask(ACTS({ACT_ANSWER, OK_ANSWER})).status, 200);
}
END_TEST

/* A request that runs at the end is given up. */
START_TEST(test_an_end_in_the_middle)
{
	serve(ACTS({ACT_HANG, NULL}));
	start("127.0.0.1", NULL);
	posts_run(posts, 10);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("posts");
	TCase *tcase = tcase_create("posts"), *hanging = tcase_create("servers that hang");

	tcase_add_checked_fixture(tcase, setup_patient, teardown);
	tcase_add_checked_fixture(hanging, setup, teardown);
	tcase_add_test(tcase, test_an_answer);
	tcase_add_test(tcase, test_the_beginning_of_a_long_answer);
	tcase_add_test(tcase, test_redirects_are_not_followed);
	tcase_add_test(tcase, test_time_is_asked_for);
	tcase_add_loop_test(tcase, test_answers_that_are_not_whole, 0, 3);
	tcase_add_loop_test(tcase, test_a_head_is_bounded, 0, 3);
	tcase_add_test(tcase, test_an_interim_answer);
	tcase_add_loop_test(tcase, test_no_answers_of_this_protocol, 0, 9);
	tcase_add_test(hanging, test_a_server_that_drips);
	tcase_add_test(hanging, test_a_server_that_hangs);
	tcase_add_loop_test(tcase, test_an_address_that_is_not_admitted, 0, 5);
	tcase_add_test(tcase, test_each_connection_is_judged);
	tcase_add_test(tcase, test_no_proxy);
	tcase_add_test(tcase, test_an_end_in_the_middle);
	suite_add_tcase(suite, tcase);
	suite_add_tcase(suite, hanging);
	return suite_run(suite);
}
