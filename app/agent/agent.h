/*
 * agent.h: billing-agent, the daemon beside a customer's application.
 *
 * It answers the application from memory and disk alone. What needs the network is done by
 * billing-agent-sync, which it starts on its schedule and on HUP, and whose results it then reads.
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include <sys/types.h>

#include "agent-store/license_cache.h"
#include "agent/schedule.h"
#include "agent/serve.h"

struct agent {
	struct task task; /* of the step at hand; its arena is reset after each */
	const char *config;
	const struct agent_settings *settings;
	const struct state *state;
	struct license_cache cache;
	struct spool spool;
	struct server server;
	struct schedule sync_schedule;
	int64_t cut_due_us;
	int64_t sync_deadline_us; /* when a talk that hangs is ended */
	pid_t sync_pid;           /* 0: nobody */
	bool sync_again;          /* HUP came while one was under way */
};

/* Answers GET /license, /license/token, /allows/<feature>, /health and POST /usage. */
serve_handler agent_answer;

/* Starts billing-agent-sync, which lies beside this program; false when that fails. */
bool agent_start_sync(struct agent *agent);

/* Starts it and waits; the outcome. */
enum sync_outcome agent_sync_now(struct agent *agent);

/* Bounds the unsent reports, unless a talk is just reading them. */
enum fail agent_bound(struct agent *agent) MUST_CHECK;

/* Serves until TERM or INT; the exit status. */
int agent_run(struct agent *agent);

#endif
