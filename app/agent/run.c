/*
 * run.c: the agent's loop: answers requests, makes usage reports, starts billing-agent-sync.
 *
 * Signals are blocked except inside ppoll().
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/arena.h"
#include "base/log.h"
#include "base/random.h"

enum { SYNC_MAX_S = 180, WAIT_MAX_MS = 1000, MINUTE_S = 60 };

static const int64_t second_us = 1000000;

static volatile sig_atomic_t asked_to_stop, asked_to_refresh, child_ended;

static void
on_signal(int number)
{
	if (number == SIGHUP)
		asked_to_refresh = 1;
	else if (number == SIGCHLD)
		child_ended = 1;
	else
		asked_to_stop = 1;
}

/* The path of billing-agent-sync, in the folder of this program; false without /proc. */
static bool
sync_program(char *out, size_t size)
{
	static const char suffix[] = "-sync";
	ssize_t length = readlink("/proc/self/exe", out, size - sizeof(suffix));

	if (length <= 0)
		return false;
	memcpy(out + length, suffix, sizeof(suffix));
	return true;
}

/* Starts billing-agent-sync from the folder of this program; false when that fails. */
static bool
start_sync(struct agent *agent)
{
	char program[PATH_MAX], *arguments[3] = {program, NULL, NULL};
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int error = EINVAL;

	if (agent->config != NULL)
		arguments[1] = arena_copy(agent->task.arena, agent->config);
	sigemptyset(&none);
	sigfillset(&all);
	if (!sync_program(program, sizeof(program)) || posix_spawnattr_init(&attributes) != 0)
		return false;
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	error = posix_spawn(&agent->sync_pid, program, NULL, &attributes, arguments, environ);
	posix_spawnattr_destroy(&attributes);
	if (error != 0) {
		agent->sync_pid = 0;
		log_line(LOG_LEVEL_ERROR, "billing-agent-sync cannot be started",
		         LOG_S("program", program), LOG_S("why", strerror(error)));
	}
	return error == 0;
}

static enum sync_outcome
outcome_of(int status)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) < SYNC_OUTCOME_COUNT)
		return (enum sync_outcome)WEXITSTATUS(status);
	return SYNC_BROKEN;
}

enum sync_outcome
agent_sync_now(struct agent *agent)
{
	int status = -1;

	if (!start_sync(agent))
		return SYNC_BROKEN;
	while (waitpid(agent->sync_pid, &status, 0) < 0 && errno == EINTR)
		;
	agent->sync_pid = 0;
	return outcome_of(status);
}

static uint32_t
chance(void)
{
	uint32_t out;

	random_bytes(&out, sizeof(out));
	return out;
}

static void
log_failure(struct agent *agent, const char *what)
{
	log_line(LOG_LEVEL_ERROR, what, LOG_S("why", agent->task.failure.message));
	task_clear(&agent->task);
}

/* Reads the licence again and logs a change of the verdict, and a warning. */
static void
reload(struct agent *agent)
{
	enum license_is before = license_verdict(agent->cache.license);
	const char *warning;

	if (license_cache_load(&agent->task, &agent->state, true, &agent->cache) != FAIL_NONE)
		log_failure(agent, "the licence cannot be read");
	if (license_verdict(agent->cache.license) != before)
		log_line(LOG_LEVEL_INFO, "the verdict has changed",
		         LOG_S("from", license_verdict_name(before)),
		         LOG_S("to",
		               license_verdict_name(license_verdict(agent->cache.license))),
		         LOG_S("reason", license_reason(agent->cache.license)));
	warning = license_warning(agent->cache.license);
	if (*warning != '\0')
		log_line(LOG_LEVEL_WARNING, "the licence has a warning",
		         LOG_S("code", warning));
}

static void
finish_sync(struct agent *agent, int64_t now_us, int status)
{
	enum sync_outcome outcome = outcome_of(status);
	struct sync_state sync;

	agent->sync_pid = 0;
	state_sync(&agent->task, &agent->state, &sync);
	schedule_next(&agent->sync_schedule, now_us, outcome == SYNC_DONE,
	              agent->settings.refresh_minutes * MINUTE_S, sync.retry_after_s, chance());
	if (agent->sync_again)
		agent->sync_schedule.due_us = now_us;
	agent->sync_again = false;
	reload(agent);
}

static void
reap(struct agent *agent, int64_t now_us)
{
	int status;

	child_ended = 0;
	if (agent->sync_pid != 0 &&
	    waitpid(agent->sync_pid, &status, WNOHANG) == agent->sync_pid)
		finish_sync(agent, now_us, status);
}

enum fail
agent_compact(struct agent *agent)
{
	int lock = state_lock(&agent->task, &agent->state, STATE_LOCK);
	enum fail kind;

	if (lock < 0)
		return FAIL_NONE;
	kind = spool_compact(&agent->task, &agent->state,
	                     (size_t)agent->settings.buffer_reports);
	close(lock);
	return kind;
}

static void
make_report(struct agent *agent, int64_t now_us)
{
	agent->report_due_us = now_us + agent->settings.report_minutes * MINUTE_S * second_us;
	if (spool_make_report(&agent->task, &agent->spool, clock_now_ms()) != FAIL_NONE)
		log_failure(agent, "the usage report cannot be written");
	if (agent_compact(agent) != FAIL_NONE)
		log_failure(agent, "the unsent reports cannot be merged");
}

static void
follow_schedule(struct agent *agent, int64_t now_us)
{
	bool online = agent_settings_online(&agent->settings);

	if (now_us >= agent->report_due_us)
		make_report(agent, now_us);
	if (agent->sync_pid != 0 && now_us >= agent->sync_deadline_us)
		(void)kill(agent->sync_pid, SIGKILL);
	if (!online || agent->sync_pid != 0 || now_us < agent->sync_schedule.due_us)
		return;
	agent->sync_deadline_us = now_us + SYNC_MAX_S * second_us;
	if (!start_sync(agent))
		schedule_next(&agent->sync_schedule, now_us, false,
		              agent->settings.refresh_minutes * MINUTE_S, 0, chance());
}

/* HUP: reads the folder, makes the report, and starts billing-agent-sync now. */
static void
refresh(struct agent *agent, int64_t now_us)
{
	asked_to_refresh = 0;
	reload(agent);
	make_report(agent, now_us);
	agent->sync_schedule.due_us = now_us;
	agent->sync_again = agent->sync_pid != 0;
}

static void
catch_signals(sigset_t *open)
{
	static const int caught[] = {SIGHUP, SIGTERM, SIGINT, SIGCHLD};
	struct sigaction action = {.sa_handler = on_signal};
	sigset_t blocked;

	sigfillset(&action.sa_mask);
	sigemptyset(&blocked);
	for (size_t i = 0; i < sizeof(caught) / sizeof(*caught); i++) {
		sigaddset(&blocked, caught[i]);
		(void)sigaction(caught[i], &action, NULL);
	}
	/* The failing call returns an error in both cases. */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
	sigprocmask(SIG_BLOCK, &blocked, open);
	for (size_t i = 0; i < sizeof(caught) / sizeof(*caught); i++)
		sigdelset(open, caught[i]);
}

int
agent_run(struct agent *agent)
{
	struct pollfd watched[SERVE_CONNECTIONS_MAX + 1];
	const struct timespec longest = {.tv_nsec = WAIT_MAX_MS * 999999L};
	int64_t now_us = clock_monotonic_us();
	sigset_t open;

	catch_signals(&open);
	agent->report_due_us = now_us;
	agent->sync_schedule.due_us = now_us;
	while (!asked_to_stop) {
		size_t count = serve_watch(&agent->server, watched);
		int ready = ppoll(watched, (nfds_t)count, &longest, &open);

		now_us = clock_monotonic_us();
		/* After a failure revents is undefined. */
		for (size_t i = 0; ready <= 0 && i < count; i++)
			watched[i].revents = 0;
		serve_run(&agent->server, watched, now_us);
		arena_reset(agent->task.arena);
		if (child_ended)
			reap(agent, now_us);
		if (asked_to_refresh)
			refresh(agent, now_us);
		follow_schedule(agent, now_us);
		arena_reset(agent->task.arena);
	}
	if (agent->sync_pid != 0) {
		(void)kill(agent->sync_pid, SIGTERM);
		(void)waitpid(agent->sync_pid, NULL, 0);
	}
	return 0;
}
