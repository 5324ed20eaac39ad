/*
 * sync.c: billing-agent-sync, which talks with the service once and leaves what it learned in the
 * folder. billing-agent starts it; the exit status is the outcome.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "agent-sync/talk.h"
#include "base/arena.h"
#include "base/log.h"

enum {
	ARENA_MAX = 256 * 1024 * 1024,
	ANSWER_MAX = 8 * 1024 * 1024,
	CONNECT_TIMEOUT_MS = 10000
};

static void
converse(struct talk *talk)
{
	struct http_client_options options = {
	        .user_agent = "billing-agent/1.0",
	        .ca_file = *talk->settings->ca_file != '\0' ? talk->settings->ca_file : NULL,
	        .proxy = *talk->settings->proxy != '\0' ? talk->settings->proxy : NULL,
	        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
	        .body_max = ANSWER_MAX};

	talk->client = http_client_new(&options);
	if (!talk->client) {
		(void)talk_note(talk, SYNC_BROKEN, "libcurl can't be had");
		return;
	}
	talk_refresh(talk);
	if (talk->sync.outcome != SYNC_UNREACHABLE)
		talk_report(talk);
	http_client_free(talk->client);
	holder_release(&talk->holder);
}

static enum sync_outcome
run(struct task *task, const struct agent_settings *settings, const struct state *state)
{
	struct talk talk = {.task = task, .settings = settings, .state = state};
	int lock = state_lock(task, state, STATE_LOCK);
	struct sync_state before;

	if (lock < 0)
		return errno == EWOULDBLOCK ? SYNC_BUSY : SYNC_BROKEN;
	state_sync(task, state, &before);
	talk.sync = (struct sync_state){
	        .at = INSTANT_MS(clock_now_ms()), .contact = before.contact, .message = ""};
	converse(&talk);
	if (talk.sync.outcome == SYNC_DONE)
		talk.sync.contact = talk.sync.at;
	else
		log_line(LOG_LEVEL_WARNING, "the talk with the service failed",
		         LOG_S("outcome", state_outcome_name(talk.sync.outcome)),
		         LOG_S("why", talk.sync.message));
	if (state_keep_sync(task, state, &talk.sync) != FAIL_NONE &&
	    talk.sync.outcome == SYNC_DONE)
		talk.sync.outcome = SYNC_BROKEN;
	close(lock);
	return talk.sync.outcome;
}

int
main(int argc, char **argv)
{
	struct task task = {.arena = arena_new(ARENA_MAX)};
	struct agent_settings settings;
	struct state state;
	enum sync_outcome outcome;

	/* Nobody waits for the outcome once the agent is gone. */
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
	outcome = run(&task, &settings, &state);
	arena_free(task.arena);
	return (int)outcome;
}
