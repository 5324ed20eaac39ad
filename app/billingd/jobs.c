/*
 * jobs.c: the process that does what no request waits for. Every job can be stopped at any point
 * and run again.
 */
#include "billingd/jobs.h"

#include <poll.h>
#include <signal.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/random.h"
#include "billing/idempotency.h"
#include "billing/license_records.h"
#include "billing/subscriptions.h"

enum { ARENA_LIMIT = 64 * 1024 * 1024, BATCH = 500 };

/* A job works on at most `limit` rows and tells how many there were. */
struct job {
	const char *name;
	int64_t every_s;
	enum fail (*run)(struct operation *operation, int64_t limit, int64_t *done);
	enum metric counter; /* METRIC_COUNT: none */
};

static const struct job jobs[] = {
        {"expire_trials", 5, subscription_expire_trials, METRIC_TRIALS_EXPIRED},
        {"prune_idempotency_keys", 60, idempotency_prune, METRIC_COUNT},
        {"forget_license_tokens", 300, license_forget_tokens, METRIC_COUNT},
};

enum { JOBS = sizeof(jobs) / sizeof(*jobs), ROUND_S = 5 };

static volatile sig_atomic_t asked_to_stop;

static void
on_signal(int signal)
{
	(void)signal;
	asked_to_stop = 1;
}

/* Batch after batch until there is nothing left to do. */
static void
run_job(struct api *api, struct arena *arena, const struct job *job)
{
	int64_t done = BATCH, total = 0;

	while (done == BATCH && !asked_to_stop) {
		struct task task = {.arena = arena};
		struct operation operation = {.task = &task,
		                              .db = api->db,
		                              .billing = &api->billing,
		                              .actor = "system:jobs",
		                              .now_ms = clock_now_ms()};
		enum fail kind;

		task.request_id = random_id(arena, "job-", 8);
		done = 0;
		kind = job->run(&operation, BATCH, &done);
		db_rollback_to(api->db, 0);
		if (kind != FAIL_NONE) {
			metrics_add(api->metrics, METRIC_JOB_FAILURES, 1);
			log_line(LOG_LEVEL_WARNING, "job failed", LOG_S("job", job->name),
			         LOG_S("code", task.failure.code));
		}
		total += done;
		arena_reset(arena);
	}
	if (job->counter != METRIC_COUNT)
		metrics_add(api->metrics, job->counter, total);
	if (total > 0)
		log_line(LOG_LEVEL_INFO, "job done", LOG_S("job", job->name),
		         LOG_I("rows", total));
}

static void
run_rounds(struct api *api, struct arena *arena, const sigset_t *open_signals)
{
	const struct timespec pause = {.tv_sec = ROUND_S};
	int64_t due_us[JOBS] = {0};

	while (!asked_to_stop) {
		for (size_t i = 0; i < JOBS && !asked_to_stop; i++) {
			int64_t now_us = clock_monotonic_us();

			if (now_us < due_us[i])
				continue;
			run_job(api, arena, &jobs[i]);
			due_us[i] = now_us + jobs[i].every_s * 1000000;
		}
		metrics_set(api->metrics, METRIC_JOBS_LAST_RUN, clock_now_ms() / SECOND_MS);
		(void)ppoll(NULL, 0, &pause, open_signals);
	}
}

int
jobs_run(struct generation *generation, struct metrics *metrics)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct arena *arena;
	sigset_t open_signals;
	struct api api;

	if (!generation_enter(generation, metrics, "billingd jobs", &api))
		return 1;
	sigemptyset(&action.sa_mask);
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGQUIT, &action, NULL);
	sigfillset(&open_signals);
	sigdelset(&open_signals, SIGTERM);
	sigdelset(&open_signals, SIGQUIT);
	arena = arena_new(ARENA_LIMIT);
	run_rounds(&api, arena, &open_signals);
	arena_free(arena);
	generation_leave(&api);
	return 0;
}
