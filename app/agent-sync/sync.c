/* sync.c: billing-agent-sync: runs one session with the service and keeps the results in the
 * folder. The exit status is the enum sync_outcome. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "agent-sync/session.h"
#include "base/arena.h"
#include "base/log.h"
#include "base/secrets.h"
#include "base/text.h"
#include "base/version.h"

enum {
	ARENA_MAX = 256 * 1024 * 1024,
	ANSWER_MAX = 8 * 1024 * 1024,
	CONNECT_TIMEOUT_MS = 10000
};

/* Reports that the service wants later do not delay the next licence and revocation list. */
static void
report(struct agent_session *session)
{
	int64_t interval_s = session->settings->refresh_minutes * 60;

	session_report(session);
	if (session->sync.retry_after_s > interval_s)
		session->sync.retry_after_s = interval_s;
}

static void
run_session(struct agent_session *session)
{
	const struct agent_settings *settings = session->settings;
	const char *fault = http_check_key_url(settings->api_url);
	struct http_client_options options = {.user_agent = "billing-agent/" VERSION,
	                                      .ca_file = text_or_null(settings->ca_file),
	                                      .proxy = text_or_null(settings->proxy),
	                                      .connect_timeout_ms = CONNECT_TIMEOUT_MS,
	                                      .body_max = ANSWER_MAX};

	if (fault != NULL) {
		(void)session_fail(session, SYNC_BROKEN, "BILLING_API_URL %s", fault);
		return;
	}
	session->client = http_client_new(&options);
	if (session->client == NULL) {
		(void)session_fail(session, SYNC_BROKEN, "libcurl cannot be initialised");
		return;
	}
	session_refresh(session);
	if (session->sync.outcome != SYNC_UNREACHABLE)
		report(session);
	http_client_free(session->client);
	license_cache_release(&session->cache);
}

static enum sync_outcome
run(struct task *task, const struct state *state)
{
	struct agent_session session = {
	        .task = task, .settings = state->settings, .state = state};
	int lock = state_lock(task, state, STATE_LOCK);
	struct sync_state before;

	if (lock < 0)
		return errno == EWOULDBLOCK ? SYNC_BUSY : SYNC_BROKEN;
	state_sync(task, state, &before);
	session.sync = (struct sync_state){
	        .at = INSTANT_MS(clock_now_ms()), .contact = before.contact, .message = ""};
	run_session(&session);
	if (session.sync.outcome == SYNC_DONE)
		session.sync.contact = session.sync.at;
	else
		log_line(LOG_LEVEL_WARNING, "the session with the service failed",
		         LOG_S("outcome", state_outcome_name(session.sync.outcome)),
		         LOG_S("why", session.sync.message));
	if (state_keep_sync(task, state, &session.sync) != FAIL_NONE &&
	    session.sync.outcome == SYNC_DONE)
		session.sync.outcome = SYNC_BROKEN;
	close(lock);
	return session.sync.outcome;
}

int
main(int argc, char **argv)
{
	struct task task = {.arena = arena_new(ARENA_MAX)};
	struct agent_settings settings;
	struct state state;
	enum sync_outcome outcome;

	process_protect();
	/* The agent alone uses the outcome, so this process ends with it. */
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (agent_settings_load(&task, argc > 1 ? argv[1] : NULL, &settings) != FAIL_NONE ||
	    state_open(&task, &settings, &state) != FAIL_NONE) {
		fprintf(stderr, "billing-agent-sync: %s\n", task.failure.message);
		return SYNC_BROKEN;
	}
	if (!agent_settings_online(&settings)) {
		fprintf(stderr, "billing-agent-sync: BILLING_API_URL, BILLING_API_KEY and "
		                "CUSTOMER_ID are needed\n");
		return SYNC_BROKEN;
	}
	outcome = run(&task, &state);
	arena_free(task.arena);
	return (int)outcome;
}
