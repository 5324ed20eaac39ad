/* test_http_tls.c: which certificates the HTTP client accepts, and lost connections under
 * TLS. */
#include "support/certificates.h"
#include "support/http_server.h"

#include "net/client.h"

#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

enum { DAY_S = 86400 };

static struct authority authority, other;
static char *folder;
static struct task made, task;
static struct http_client *client;

/* Made once: keys cost time. */
static void
make_all(void)
{
	made = suite_task();
	folder = suite_folder(made.arena);
	authority_init(&authority);
	authority_init(&other);
	certificate_write(authority.certificate, arena_printf(made.arena, "%s/ca", folder));
	certificate_write(other.certificate, arena_printf(made.arena, "%s/other", folder));
	ck_assert_int_eq(fclose(fopen(arena_printf(made.arena, "%s/empty", folder), "w")), 0);
}

static void
remove_all(void)
{
	authority_free(&authority);
	authority_free(&other);
	suite_folder_remove(made.arena, folder);
	suite_task_end(&made);
}

static void
setup(void)
{
	task = suite_task();
}

static void
teardown(void)
{
	suite_task_end(&task);
}

/* `ca` is a file of the folder, NULL for the system's authorities. */
static void
make_client(const char *ca)
{
	client = http_client_new(&(struct http_client_options){
	        .user_agent = "test/1",
	        .ca_file = ca ? arena_printf(task.arena, "%s/%s", folder, ca) : NULL,
	        .connect_timeout_ms = 5000,
	        .body_max = 1000,
	});
	ck_assert_ptr_nonnull(client);
}

static struct http_answer
send_request(const struct server *server, const char *host)
{
	struct http_answer answer;

	http_client_send(
	        client, task.arena,
	        &(struct http_request){
	                .method = "POST",
	                .url = arena_printf(task.arena, "https://%s:%d/", host, server->port),
	                .headers = &(struct http_header){"Authorization", "Bearer secret"},
	                .header_count = 1,
	                .body = "a=b",
	                .body_length = 3,
	                .timeout_ms = 5000},
	        &answer);
	return answer;
}

static SSL_CTX *
leaf_context(const char *alt_name, long from_s, long to_s)
{
	return certificate_context(&authority,
	                           certificate_new(authority.key, authority.certificate,
	                                           "A server", alt_name, from_s, to_s));
}

static const struct {
	const char *name;
	const char *ca;
	const char *alt_name;
	const char *host;
	long from_s, to_s;
	bool self_signed;
	bool fine;
} certificates[] = {
        {"right address", "ca", "IP:127.0.0.1", "127.0.0.1", -60, DAY_S, false, true},
        {"right name", "ca", "DNS:localhost", "localhost", -60, DAY_S, false, true},
        {"one of the names", "ca", "DNS:a.example,IP:127.0.0.1", "127.0.0.1", -60, DAY_S, false,
         true},
        {"system's authorities", NULL, "IP:127.0.0.1", "127.0.0.1", -60, DAY_S, false, false},
        {"other authority", "other", "IP:127.0.0.1", "127.0.0.1", -60, DAY_S, false, false},
        {"no authority", "empty", "IP:127.0.0.1", "127.0.0.1", -60, DAY_S, false, false},
        {"no such file", "nothing", "IP:127.0.0.1", "127.0.0.1", -60, DAY_S, false, false},
        {"wrong address", "ca", "IP:127.0.0.2", "127.0.0.1", -60, DAY_S, false, false},
        {"wrong name", "ca", "DNS:api.stripe.com", "localhost", -60, DAY_S, false, false},
        {"name for an address", "ca", "DNS:localhost", "127.0.0.1", -60, DAY_S, false, false},
        {"expired", "ca", "IP:127.0.0.1", "127.0.0.1", -DAY_S, -60, false, false},
        {"not yet valid", "ca", "IP:127.0.0.1", "127.0.0.1", 3600, DAY_S, false, false},
        {"self-signed", "ca", "IP:127.0.0.1", "127.0.0.1", -60, DAY_S, true, false},
};

/* No byte of a request is sent to a server without a valid certificate. */
START_TEST(test_certificates)
{
	static const struct act act = {ACT_ANSWER, OK_ANSWER};
	X509 *issuer = certificates[_i].self_signed ? NULL : authority.certificate;
	X509 *certificate =
	        certificate_new(authority.key, issuer, "A server", certificates[_i].alt_name,
	                        certificates[_i].from_s, certificates[_i].to_s);
	SSL_CTX *context = certificate_context(&authority, certificate);
	struct http_answer answer;
	struct server server;

	make_client(certificates[_i].ca);
	server_start(&server, context, NULL, &act, 1);
	answer = send_request(&server, certificates[_i].host);
	http_client_free(client);
	server_stop(&server);
	SSL_CTX_free(context);
	ck_assert_msg((answer.outcome == HTTP_ANSWERED) == certificates[_i].fine, "%s: %s",
	              certificates[_i].name, answer.reason ? answer.reason : "answered");
	ck_assert_int_eq(answer.sent, certificates[_i].fine);
	ck_assert_uint_eq(server.request_count, certificates[_i].fine);
	if (certificates[_i].fine)
		return;
	ck_assert_int_eq(answer.outcome, HTTP_NO_ANSWER);
	ck_assert_ptr_nonnull(answer.reason);
	ck_assert_ptr_null(strstr(answer.reason, "secret"));
}
END_TEST

static const struct {
	int version;
	bool fine;
} versions[] = {{TLS1_VERSION, false},
                {TLS1_1_VERSION, false},
                {TLS1_2_VERSION, true},
                {TLS1_3_VERSION, true}};

START_TEST(test_versions)
{
	static const struct act act = {ACT_ANSWER, OK_ANSWER};
	SSL_CTX *context = leaf_context("IP:127.0.0.1", -60, DAY_S);
	struct http_answer answer;
	struct server server;

	ck_assert_int_eq(SSL_CTX_set_cipher_list(context, "ALL:@SECLEVEL=0"), 1);
	ck_assert_int_eq(SSL_CTX_set_min_proto_version(context, versions[_i].version), 1);
	ck_assert_int_eq(SSL_CTX_set_max_proto_version(context, versions[_i].version), 1);
	make_client("ca");
	server_start(&server, context, NULL, &act, 1);
	answer = send_request(&server, "127.0.0.1");
	http_client_free(client);
	server_stop(&server);
	SSL_CTX_free(context);
	ck_assert_int_eq(answer.outcome == HTTP_ANSWERED, versions[_i].fine);
	ck_assert_int_eq(answer.sent, versions[_i].fine);
}
END_TEST

/* One handshake for several requests; then the server goes away in each of its ways. */
START_TEST(test_ends)
{
	static const struct {
		struct act act;
		enum http_outcome outcome;
	} ends[] = {
	        {{ACT_ANSWER_CLOSE, ""}, HTTP_ANSWERED}, /* a kept connection is replaced */
	        {{ACT_ANSWER_RESET, ""}, HTTP_ANSWERED},
	        {{ACT_ANSWER_CLOSE, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"},
	         HTTP_NO_ANSWER},
	        {{ACT_ANSWER_RESET, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"},
	         HTTP_RESET},
	};
	const struct act acts[] = {{ACT_ANSWER, OK_ANSWER},
	                           {ACT_ANSWER, OK_ANSWER},
	                           ends[_i].act,
	                           {ACT_ANSWER, OK_ANSWER}};
	SSL_CTX *context = leaf_context("IP:127.0.0.1", -60, DAY_S);
	struct http_answer answer;
	struct server server;

	make_client("ca");
	server_start(&server, context, NULL, acts, ROWS(acts));
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(send_request(&server, "127.0.0.1").outcome, HTTP_ANSWERED);
	ck_assert_int_eq(server.connections, 1);
	answer = send_request(&server, "127.0.0.1");
	http_client_free(client);
	server_stop(&server);
	SSL_CTX_free(context);
	ck_assert_msg(answer.outcome == ends[_i].outcome, "%d, %s", answer.outcome,
	              answer.reason);
	ck_assert(answer.sent);
	if (answer.outcome == HTTP_ANSWERED)
		ck_assert_str_eq(server.requests[2], server.requests[3]);
	else
		ck_assert_str_eq(answer.body, "");
}
END_TEST

/* A new connection's server may fail too, before it has answered anything. */
START_TEST(test_first_connection_ends)
{
	static const struct act acts[] = {{ACT_ANSWER_CLOSE, ""}, {ACT_ANSWER_RESET, ""}};
	SSL_CTX *context = leaf_context("IP:127.0.0.1", -60, DAY_S);
	struct http_answer answer;
	struct server server;

	make_client("ca");
	server_start(&server, context, NULL, &acts[_i], 1);
	answer = send_request(&server, "127.0.0.1");
	http_client_free(client);
	server_stop(&server);
	SSL_CTX_free(context);
	ck_assert_msg(answer.outcome == HTTP_RESET, "%d, %s", answer.outcome, answer.reason);
	ck_assert(answer.sent);
}
END_TEST

/* A client with TLS at a server without, which waits for the end of a strange request, and the
 * other way round. */
START_TEST(test_no_tls)
{
	static const struct act act = {ACT_ANSWER_CLOSE, OK_ANSWER};
	SSL_CTX *context = _i == 0 ? NULL : leaf_context("IP:127.0.0.1", -60, DAY_S);
	struct http_answer answer;
	struct server server;

	make_client("ca");
	server_start(&server, context, NULL, &act, 1);
	http_client_send(client, task.arena,
	                 &(struct http_request){
	                         .method = "GET",
	                         .url = arena_printf(task.arena, "%s://127.0.0.1:%d/",
	                                             _i == 0 ? "https" : "http", server.port),
	                         .timeout_ms = 300},
	                 &answer);
	http_client_free(client);
	server_stop(&server);
	SSL_CTX_free(context);
	ck_assert_int_ne(answer.outcome, HTTP_ANSWERED);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("http tls");
	TCase *tcase = tcase_create("http tls");

	tcase_set_timeout(tcase, 60);
	tcase_add_unchecked_fixture(tcase, make_all, remove_all);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, test_certificates, 0, ROWS(certificates));
	tcase_add_loop_test(tcase, test_versions, 0, ROWS(versions));
	tcase_add_loop_test(tcase, test_ends, 0, 4);
	tcase_add_loop_test(tcase, test_first_connection_ends, 0, 2);
	tcase_add_loop_test(tcase, test_no_tls, 0, 2);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
