/* jobs.c: runs the jobs of a process in rounds, outside of requests. Every job can be killed at any point and
 * run again. */
#include "billingd/jobs.h"

#include <signal.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/random.h"
#include "billingd/generation.h"
#include "billingd/signing.h"
#include "billingd/sold_terms.h"
#include "webhooks/sender.h"

/* Time for all requests to Stripe in one step of a job. */
static const int64_t stripe_budget_us = 90000000;

static const int64_t time_slice_us = 2000000;

enum { ARENA_LIMIT = 64 * 1024 * 1024, BATCH = 500 };

void
jobs_set_age(const struct operation *operation, struct metrics *metrics, enum metric gauge,
             struct instant since)
{
	bool past = since.known && operation->now_ms > since.ms;

	metrics_set(metrics, gauge, past ? (operation->now_ms - since.ms) / SECOND_MS : 0);
}

static volatile sig_atomic_t stop_signal_came;

static void
on_signal(int signal)
{
	(void)signal;
	stop_signal_came = 1;
}

/* Signals are blocked while jobs run: a signal that came then is pending, and its handler has not
 * run. */
static bool
should_stop(void)
{
	sigset_t waiting;

	return stop_signal_came ||
	       (sigpending(&waiting) == 0 &&
	        (sigismember(&waiting, SIGTERM) == 1 || sigismember(&waiting, SIGQUIT) == 1));
}

static struct operation
new_operation(struct api *api, struct task *task, const char *actor)
{
	task->request_id = random_id(task->arena, "job-", 8);
	return (struct operation){.task = task,
	                          .db = api->db,
	                          .billing = &api->billing,
	                          .stripe = api->stripe,
	                          .stripe_idle = api->stripe_idle,
	                          .webhooks = api->webhooks,
	                          .mailer = api->mailer,
	                          .actor = actor,
	                          .now_ms = db_now_ms(api->db),
	                          .batch = BATCH,
	                          .deadline_us = clock_monotonic_us() + stripe_budget_us};
}

static void
report_failure(struct api *api, const char *job, const struct task *task)
{
	metrics_add(api->metrics, METRIC_JOB_FAILURES, 1);
	log_line(LOG_LEVEL_WARNING, "job failed", LOG_S("job", job),
	         LOG_S("code", task->failure.code));
}

/* False when the time slice ended before the job had nothing left to do. */
static bool
run_job(struct api *api, struct arena *arena, const struct job_list *jobs,
        const struct job *job)
{
	int64_t until_us = clock_monotonic_us() + time_slice_us;
	int64_t done, total = 0;
	enum fail kind;

	do {
		struct task task = {.arena = arena};
		struct operation operation = new_operation(api, &task, jobs->actor);

		done = 0;
		kind = job->run(&operation, &done);
		db_rollback_to(api->db, 0);
		if (kind != FAIL_NONE)
			report_failure(api, job->name, &task);
		total += done;
		arena_reset(arena);
	} while (done >= job->full && kind == FAIL_NONE && !should_stop() &&
	         clock_monotonic_us() < until_us);
	if (job->counter != METRIC_COUNT)
		metrics_add(api->metrics, job->counter, total);
	if (total > 0 && !jobs->quiet)
		log_line(LOG_LEVEL_INFO, "job done", LOG_S("job", job->name),
		         LOG_I("rows", total));
	return done < job->full || kind != FAIL_NONE;
}

/* Repeats LISTEN, which a new connection to the database does not have. */
static void
listen_for_work(struct api *api, struct task *task, const struct job_list *jobs)
{
	if (jobs->channel != NULL && db_listen(api->db, task, jobs->channel) != FAIL_NONE)
		log_line(LOG_LEVEL_DEBUG, "cannot listen");
	task_clear(task);
}

static void
end_round(struct api *api, struct arena *arena, const struct job_list *jobs)
{
	struct task task = {.arena = arena};
	struct operation operation = new_operation(api, &task, jobs->actor);

	if (jobs->measure != NULL && jobs->measure(&operation, api->metrics) != FAIL_NONE)
		report_failure(api, "measure", &task);
	task_clear(&task);
	listen_for_work(api, &task, jobs);
	db_refresh_clock(api->db, &task);
	metrics_set(api->metrics, jobs->last_run, db_now_ms(api->db) / SECOND_MS);
	arena_reset(arena);
}

/* Whether the jobs may run, as their list said last; `*due_us` is when it is asked again. */
static bool
may_run(struct api *api, struct arena *arena, const struct job_list *jobs, bool before,
        int64_t *due_us)
{
	struct task task = {.arena = arena};
	struct operation operation;
	int64_t again_s = 0;
	bool out;

	if (jobs->may_run == NULL || clock_monotonic_us() < *due_us)
		return before;
	operation = new_operation(api, &task, jobs->actor);
	out = jobs->may_run(&operation, api->metrics, &again_s);
	*due_us = clock_monotonic_us() + again_s * 1000000;
	db_rollback_to(api->db, 0);
	arena_reset(arena);
	return out;
}

/* Runs the jobs that are due; false when one has not finished its work. */
static bool
run_due(struct api *api, struct arena *arena, const struct job_list *jobs, int64_t *due_us)
{
	bool finished = true;

	for (size_t i = 0; i < jobs->count && !should_stop(); i++) {
		int64_t now_us = clock_monotonic_us();

		if (now_us < due_us[i])
			continue;
		if (run_job(api, arena, jobs, &jobs->items[i]))
			due_us[i] = now_us + jobs->items[i].every_s * 1000000;
		else
			finished = false;
	}
	return finished;
}

static void
run_rounds(struct api *api, struct arena *arena, const struct child *child,
           const sigset_t *open_signals)
{
	const struct job_list *jobs = child->role->jobs;
	int64_t due_us[JOBS_MAX] = {0}, question_due_us = 0;
	bool open = true;
	struct task task = {.arena = arena};
	struct instant now;

	if (db_clock(api->db, &task, &now) != FAIL_NONE)
		task_clear(&task);
	/* Work that arrives during the first round starts the second one at once. */
	listen_for_work(api, &task, jobs);
	arena_reset(arena);
	while (!should_stop()) {
		bool finished = true;

		if (jobs == &local_jobs)
			signing_watch(api);
		else
			signing_refresh(api);
		sold_terms_load(api);
		if (child->role->stripe == STRIPE_IN_JOBS)
			atomic_store(api->stripe_idle, true);
		open = may_run(api, arena, jobs, open, &question_due_us);
		if (open)
			finished = run_due(api, arena, jobs, due_us);
		end_round(api, arena, jobs);
		/* This process has survived the work that was waiting. */
		atomic_store(child->started, true);
		db_sleep(api->db, finished ? jobs->round_ms : 0, open_signals);
	}
}

/* Waits for the requests that are on their way to receivers. */
static void
end_webhooks(struct api *api, struct arena *arena, const char *actor)
{
	struct task task = {.arena = arena};
	struct operation operation = new_operation(api, &task, actor);

	webhook_sender_end(api->webhooks, &operation);
}

int
jobs_run(const struct child *child)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct api *api = generation_enter(child);
	struct arena *arena;
	sigset_t open_signals;

	if (api == NULL)
		return 1;
	sigemptyset(&action.sa_mask);
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGQUIT, &action, NULL);
	sigfillset(&open_signals);
	sigdelset(&open_signals, SIGTERM);
	sigdelset(&open_signals, SIGQUIT);
	arena = arena_new(ARENA_LIMIT);
	atomic_store(child->serving, true);
	run_rounds(api, arena, child, &open_signals);
	end_webhooks(api, arena, child->role->jobs->actor);
	arena_free(arena);
	generation_leave(api);
	return 0;
}
