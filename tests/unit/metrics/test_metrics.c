/* test_metrics.c: counters that children share, and the text that Prometheus reads. */
#include "support/suite.h"

#include <sys/wait.h>

#include "base/text.h"
#include "metrics/metrics.h"

enum { ROUTES = 3 };

static struct task task;

static const char *
labels_of(struct arena *arena, size_t route)
{
	static const char *const labels[] = {"GET /a", "POST /a", "GET /b/:id", "none"};

	ck_assert_uint_le(route, ROUTES);
	return arena_printf(arena, "route=\"%s\"", labels[route]);
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

static struct metrics *
new_metrics(void)
{
	struct metrics *metrics = metrics_new(ROUTES);

	ck_assert_ptr_nonnull(metrics);
	return metrics;
}

static const char *
render(const struct metrics *metrics)
{
	struct text text = text_new(task.arena, 64);

	metrics_render(metrics, &text, labels_of);
	return text.data;
}

static bool
has_line(const char *text, const char *line)
{
	const char *wanted = arena_printf(task.arena, "\n%s\n", line);

	return strstr(arena_printf(task.arena, "\n%s", text), wanted) != NULL;
}

START_TEST(test_values)
{
	struct metrics *metrics = new_metrics();

	for (int metric = 0; metric < METRIC_COUNT; metric++)
		ck_assert_int_eq(metrics_value(metrics, (enum metric)metric), 0);
	metrics_add(metrics, METRIC_WORKER_STARTS, 2);
	metrics_add(metrics, METRIC_WORKER_STARTS, 3);
	metrics_set(metrics, METRIC_JOBS_LAST_RUN, 1700000000);
	metrics_set(metrics, METRIC_JOBS_LAST_RUN, 1700000001);
	metrics_add(metrics, METRIC_WORKERS, 4);
	metrics_add(metrics, METRIC_WORKERS, -1);
	ck_assert_int_eq(metrics_value(metrics, METRIC_WORKER_STARTS), 5);
	ck_assert_int_eq(metrics_value(metrics, METRIC_JOBS_LAST_RUN), 1700000001);
	ck_assert_int_eq(metrics_value(metrics, METRIC_WORKERS), 3);
	ck_assert_int_eq(metrics_value(metrics, METRIC_WORKER_DEATHS), 0);
	ck_assert(has_line(render(metrics), "billing_worker_starts_total 5"));
	ck_assert(has_line(render(metrics), "billing_jobs_last_run_seconds 1700000001"));
	ck_assert(has_line(render(metrics), "billing_workers 3"));
	metrics_add(metrics, METRIC_WEBHOOKS_CLOSED, 7);
	ck_assert(has_line(render(metrics),
	                   "billing_webhook_attempts_total{outcome=\"closed\"} 7"));
}
END_TEST

START_TEST(test_requests)
{
	struct metrics *metrics = new_metrics();
	const char *text;

	metrics_request(metrics, 0, 200, 500, 100);
	metrics_request(metrics, 0, 204, 501, 100);
	metrics_request(metrics, 0, 404, 9000000, 0);
	metrics_request(metrics, 2, 503, 10, 0);
	metrics_request(metrics, ROUTES, 404, 0, 0);
	metrics_request(metrics, 1, 0, 10, 0);
	metrics_request(metrics, 1, 999, 10, 0);
	text = render(metrics);
	ck_assert(has_line(text, "billing_requests_total{route=\"GET /a\",status=\"2xx\"} 2"));
	ck_assert(has_line(text, "billing_requests_total{route=\"GET /a\",status=\"4xx\"} 1"));
	ck_assert(has_line(text,
	                   "billing_requests_total{route=\"GET /b/:id\",status=\"5xx\"} 1"));
	ck_assert(has_line(text, "billing_requests_total{route=\"none\",status=\"4xx\"} 1"));
	ck_assert(has_line(text, "billing_requests_total{route=\"POST /a\",status=\"0xx\"} 2"));
	ck_assert(has_line(text, "billing_request_seconds_bucket{le=\"0.0005\"} 5"));
	ck_assert(has_line(text, "billing_request_seconds_bucket{le=\"0.001\"} 6"));
	ck_assert(has_line(text, "billing_request_seconds_bucket{le=\"5\"} 6"));
	ck_assert(has_line(text, "billing_request_seconds_bucket{le=\"+Inf\"} 7"));
	ck_assert(has_line(text, "billing_request_seconds_count 7"));
	ck_assert(has_line(text, "billing_request_seconds_sum 9.001031"));
	ck_assert(has_line(text, "billing_database_seconds_total 0.000200"));
}
END_TEST

/* Every sample has its HELP and TYPE before it, once; names and values have Prometheus'
 * form. */
START_TEST(test_exposition_format)
{
	struct metrics *metrics = new_metrics();
	const char *line, *text;
	int samples = 0;

	metrics_request(metrics, 0, 200, 500, 100);
	text = render(metrics);
	for (line = text; *line != '\0'; line += strcspn(line, "\n") + 1) {
		size_t name = strspn(line, "abcdefghijklmnopqrstuvwxyz_");
		const char *head, *value;
		char *end;

		if (*line == '#')
			continue;
		head = arena_printf(task.arena, "%.*s", (int)name, line);
		if (text_starts_with(head, "billing_request_seconds"))
			head = "billing_request_seconds";
		ck_assert(
		        has_line(text, arena_printf(task.arena, "# TYPE %s histogram", head)) ||
		        has_line(text, arena_printf(task.arena, "# TYPE %s counter", head)) ||
		        has_line(text, arena_printf(task.arena, "# TYPE %s gauge", head)));
		ck_assert_ptr_nonnull(
		        strstr(text, arena_printf(task.arena, "# HELP %s ", head)));
		value = strchr(line + name, '}') != NULL && line[name] == '{'
		                ? strchr(line + name, '}') + 1
		                : line + name;
		ck_assert_int_eq(*value, ' ');
		(void)strtod(value + 1, &end);
		ck_assert_int_eq(*end, '\n');
		samples++;
	}
	ck_assert_int_eq(samples, METRIC_COUNT + 1 + 10 + 2 + 1);
	ck_assert_ptr_null(strstr(text, "(null)"));
}
END_TEST

START_TEST(test_shared_by_children)
{
	enum { CHILDREN = 4, TIMES = 20000 };
	struct metrics *metrics = new_metrics();
	int status;

	for (int i = 0; i < CHILDREN; i++) {
		if (fork() != 0)
			continue;
		for (int k = 0; k < TIMES; k++) {
			metrics_add(metrics, METRIC_LICENSES_KEPT, 1);
			metrics_request(metrics, 0, 200, 10, 1);
		}
		_exit(0);
	}
	for (int i = 0; i < CHILDREN; i++) {
		ck_assert_int_gt(wait(&status), 0);
		ck_assert_int_eq(status, 0);
	}
	ck_assert_int_eq(metrics_value(metrics, METRIC_LICENSES_KEPT), CHILDREN * TIMES);
	ck_assert(has_line(render(metrics), "billing_request_seconds_count 80000"));
	ck_assert(has_line(render(metrics), "billing_database_seconds_total 0.080000"));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("metrics");
	TCase *tcase = tcase_create("metrics");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_values);
	tcase_add_test(tcase, test_requests);
	tcase_add_test(tcase, test_exposition_format);
	tcase_add_test(tcase, test_shared_by_children);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
