/* answer.c: the HTTP routes for the local application. */
#include <string.h>

#include "agent-store/spool_refused.h"
#include "agent/agent.h"
#include "base/arena.h"
#include "base/text.h"

static void
answer_json(struct serve_answer *answer, int status, const char *body)
{
	*answer = (struct serve_answer){status, "application/json", body};
}

static void
answer_fault(struct agent *agent, struct serve_answer *answer, int status, const char *code,
             const char *message)
{
	struct json_out json = json_out_new(agent->task.arena, 128);

	json_out_open(&json, NULL, '{');
	json_out_string(&json, "error", message);
	json_out_string(&json, "code", code);
	json_out_close(&json, '}');
	answer_json(answer, status, json.text.data);
}

static void
get_license(struct agent *agent, const struct local_request *request,
            struct serve_answer *answer)
{
	(void)request;
	answer_json(answer, 200,
	            license_cache_json(&agent->task, &agent->state, &agent->cache,
	                               &agent->spool.current));
}

static void
get_token(struct agent *agent, const struct local_request *request, struct serve_answer *answer)
{
	const char *token = state_license(&agent->task, &agent->state).token;

	(void)request;
	if (agent->cache.is_configured || *token == '\0')
		token = agent->settings.license_jwt;
	if (*token == '\0') {
		answer_fault(agent, answer, 404, "no_license", "There is no licence.");
		return;
	}
	*answer = (struct serve_answer){200, "application/jwt", token};
}

static void
get_allows(struct agent *agent, const struct local_request *request,
           struct serve_answer *answer)
{
	const char *feature = request->path + strlen("/allows/");
	struct license *license = agent->cache.license;
	struct json_out json = json_out_new(agent->task.arena, 128);

	json_out_open(&json, NULL, '{');
	json_out_string(&json, "feature", feature);
	json_out_bool(&json, "allowed", license_allows(license, feature));
	json_out_string(&json, "verdict", license_verdict_name(license_verdict(license)));
	json_out_raw(&json, "value", license_cache_value(&agent->task, &agent->cache, feature));
	json_out_close(&json, '}');
	answer_json(answer, 200, json.text.data);
}

static void
post_usage(struct agent *agent, const struct local_request *request,
           struct serve_answer *answer)
{
	struct json_view body;
	enum fail kind =
	        json_view_open(&agent->task, request->body, request->body_length, &body);

	if (kind == FAIL_NONE)
		kind = spool_post(&agent->task, &agent->spool, &body);
	if (kind == FAIL_NONE)
		answer_json(answer, 201, "{\"message\":\"The usage is kept.\"}");
	else
		answer_fault(agent, answer, kind == FAIL_INVALID ? 400 : 503,
		             agent->task.failure.code, agent->task.failure.message);
}

static void
retry_usage(struct agent *agent, const struct local_request *request,
            struct serve_answer *answer)
{
	struct json_out json = json_out_new(agent->task.arena, 64);
	size_t retried;

	(void)request;
	if (spool_retry(&agent->task, &agent->spool, &retried) != FAIL_NONE) {
		answer_fault(agent, answer, 503, agent->task.failure.code,
		             agent->task.failure.message);
		return;
	}
	json_out_open(&json, NULL, '{');
	json_out_int(&json, "retried", (int64_t)retried);
	json_out_close(&json, '}');
	answer_json(answer, 200, json.text.data);
}

/* For health probes: also the outcome of the last session with the service. */
static void
get_health(struct agent *agent, const struct local_request *request,
           struct serve_answer *answer)
{
	struct json_out json = json_out_new(agent->task.arena, 256);
	struct license *license = agent->cache.license;
	struct refused_state refused = spool_refused_state(&agent->task, &agent->state);
	struct sync_state sync;

	(void)request;
	state_sync(&agent->task, &agent->state, &sync);
	json_out_open(&json, NULL, '{');
	json_out_string(&json, "status", "healthy");
	json_out_string(&json, "verdict", license_verdict_name(license_verdict(license)));
	json_out_string(&json, "lastTalk",
	                sync.at.known ? state_outcome_name(sync.outcome) : NULL);
	json_out_time(&json, "lastTalkAt", sync.at);
	json_out_time(&json, "lastContactAt", sync.contact);
	json_out_string(&json, "problem", text_or_null(sync.message));
	json_out_string(&json, "warning", text_or_null(license_warning(license)));
	json_out_int(&json, "refusedReports", (int64_t)refused.count);
	json_out_string(&json, "refusedBecause", text_or_null(refused.why));
	json_out_bool(&json, "clockIsKept", license == NULL || license_state_is_kept(license));
	json_out_close(&json, '}');
	answer_json(answer, 200, json.text.data);
}

/* A path that ends with a slash is followed by one more word. */
static const struct {
	const char *method, *path;
	void (*answer)(struct agent *agent, const struct local_request *request,
	               struct serve_answer *answer);
} routes[] = {
        {"GET", "/license", get_license},      {"GET", "/license/token", get_token},
        {"GET", "/allows/", get_allows},       {"POST", "/usage", post_usage},
        {"POST", "/usage/retry", retry_usage}, {"GET", "/health", get_health},
};

static bool
matches(const char *pattern, const char *path)
{
	size_t length = strlen(pattern);

	if (pattern[length - 1] == '/')
		return strncmp(path, pattern, length) == 0 && path[length] != '\0';
	return strcmp(path, pattern) == 0;
}

void
agent_answer(void *context, const struct local_request *request, struct serve_answer *answer)
{
	struct agent *agent = context;
	bool known = false;

	arena_reset(agent->task.arena);
	task_clear(&agent->task);
	for (size_t i = 0; i < sizeof(routes) / sizeof(*routes); i++) {
		if (!matches(routes[i].path, request->path))
			continue;
		known = true;
		if (strcmp(routes[i].method, request->method) == 0) {
			routes[i].answer(agent, request, answer);
			return;
		}
	}
	if (known)
		answer_fault(agent, answer, 405, "method_not_allowed",
		             "This path takes another method.");
	else
		answer_fault(agent, answer, 404, "not_found", "There is nothing here.");
}
