/*
 * agent.h: billing-agent, the daemon beside a customer's application.
 *
 * It answers the application from memory and disk alone. It starts billing-agent-sync, which
 * calls the service, on a schedule and on HUP, and then reads the results from the folder.
 */
#pragma once

#include <sys/types.h>

#include "agent-store/license_cache.h"
#include "agent/schedule.h"
#include "agent/serve.h"

struct agent {
	struct task task; /* its arena is reset after each request and each step of the loop */
	const char *config; /* the settings file, or NULL */
	struct agent_settings settings;
	struct state state;
	struct license_cache cache;
	struct spool spool;
	struct server server;
	struct schedule sync_schedule;
	int64_t report_due_us;
	int64_t sync_deadline_us; /* when billing-agent-sync is killed */
	pid_t sync_pid;           /* 0: it does not run */
	bool sync_again;          /* HUP came while it ran: start it again */
};

/* Answers GET /license, /license/token, /allows/<feature>, /health and POST /usage. */
serve_handler agent_answer;

/* Starts billing-agent-sync and waits for the outcome. */
enum sync_outcome agent_sync_now(struct agent *agent);

/* Limits the reports to AGENT_BUFFER_REPORTS, unless billing-agent-sync is reading them. */
enum fail agent_compact(struct agent *agent) MUST_CHECK;

/* Serves until TERM or INT; the exit status. */
int agent_run(struct agent *agent);
