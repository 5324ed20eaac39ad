/* jobs.c: runs the jobs of a process in rounds, outside of requests. Every job can be killed at any point and
 * run again. */
#include "billingd/jobs.h"

#include <malloc.h>
#include <signal.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/random.h"
#include "billingd/child.h"
#include "billingd/generation.h"
#include "billingd/signing.h"
#include "billingd/sold_terms.h"
#include "webhooks/sender.h"

/* Time for all requests to Stripe in one step of a job. */
static const int64_t stripe_budget_us = 90000000;

static const int64_t time_slice_us = 2000000;
static const int64_t report_every_us = 60000000;
static const int64_t trim_every_us = 1000000;

enum { ARENA_LIMIT = 64 * 1024 * 1024, BATCH = 500, RETRY_S = 300 };

/* A job of this process; times are by clock_monotonic_us(). */
struct job_state {
	int64_t due_us;
	int64_t report_us;  /* when a failure may be logged again */
	int64_t unreported; /* failures since the last one that was logged */
};

struct runner {
	struct api *api;
	struct arena *arena;
	const struct job_list *jobs;
	struct job_state states[JOBS_MAX];
	struct job_state measure;
	bool may_run;            /* as the list said last */
	int64_t question_due_us; /* when it is asked again */
	bool untrimmed;          /* a job has changed rows since memory was given back */
	int64_t trim_due_us;
};

void
jobs_set_age(const struct operation *operation, struct metrics *metrics, enum metric gauge,
             struct instant since)
{
	metrics_set(metrics, gauge, seconds_since(operation, since));
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
new_operation(const struct runner *runner, struct task *task)
{
	struct api *api = runner->api;

	task->request_id = random_id(task->arena, "job-", 8);
	return (struct operation){.task = task,
	                          .db = api->db,
	                          .billing = &api->billing,
	                          .stripe = api->stripe,
	                          .stripe_idle = api->stripe_idle,
	                          .webhooks = api->webhooks,
	                          .mailer = api->mailer,
	                          .actor = runner->jobs->actor,
	                          .now_ms = db_now_ms(api->db),
	                          .batch = BATCH,
	                          .deadline_us = clock_monotonic_us() + stripe_budget_us};
}

/* The sentence of a failure, unless it is Stripe's own, which may name a person. */
static const char *
reason_of(const struct failure *failure)
{
	return failure->kind == FAIL_PAYMENT ? NULL : failure->message;
}

/* Counts each failure, and logs at most one a minute of each job. */
static void
report_failure(const struct runner *runner, const char *job, struct job_state *state,
               const struct failure *failure)
{
	int64_t now_us = clock_monotonic_us();

	metrics_add(runner->api->metrics, METRIC_JOB_FAILURES, 1);
	state->unreported++;
	if (now_us < state->report_us)
		return;
	log_line(LOG_LEVEL_WARNING, "job failed", LOG_S("job", job),
	         LOG_S("code", failure->code), LOG_S("reason", reason_of(failure)),
	         LOG_I("failures", state->unreported));
	state->report_us = now_us + report_every_us;
	state->unreported = 0;
}

/* False when the time slice ended before the job had nothing left to do. One that fails is due again within
 * five minutes, however seldom it runs: the fault may have lasted for a moment. */
static bool
run_job(struct runner *runner, const struct job *job, struct job_state *state)
{
	int64_t start_us = clock_monotonic_us(), until_us = start_us + time_slice_us;
	int64_t done, total = 0, wait_s = job->every_s;
	enum fail kind;

	do {
		struct task task = {.arena = runner->arena};
		struct operation operation = new_operation(runner, &task);

		done = 0;
		kind = job->run(&operation, &done);
		db_rollback_to(runner->api->db, 0);
		if (kind != FAIL_NONE)
			report_failure(runner, job->name, state, &task.failure);
		total += done;
		arena_reset(runner->arena);
	} while (done >= job->full && kind == FAIL_NONE && !should_stop() &&
	         clock_monotonic_us() < until_us);
	runner->untrimmed = runner->untrimmed || total > 0;
	if (job->counter != METRIC_COUNT)
		metrics_add(runner->api->metrics, job->counter, total);
	if (total > 0 && !runner->jobs->quiet)
		log_line(LOG_LEVEL_INFO, "job done", LOG_S("job", job->name),
		         LOG_I("rows", total));
	if (done >= job->full && kind == FAIL_NONE)
		return false;
	if (kind != FAIL_NONE && wait_s > RETRY_S)
		wait_s = RETRY_S;
	state->due_us = start_us + wait_s * 1000000;
	return true;
}

/* Repeats LISTEN, which a new connection to the database does not have. */
static void
listen_for_work(const struct runner *runner, struct task *task)
{
	const char *channel = runner->jobs->channel;

	if (channel != NULL && db_listen(runner->api->db, task, channel) != FAIL_NONE)
		log_line(LOG_LEVEL_DEBUG, "cannot listen");
	task_clear(task);
}

/* A round counts when the database answered the last statement of it. */
static void
record_round(const struct runner *runner)
{
	struct api *api = runner->api;
	bool reached = db_is_connected(api->db);

	if (runner->jobs == &local_jobs)
		metrics_set(api->metrics, METRIC_DATABASE_UP, reached ? 1 : 0);
	if (reached)
		metrics_set(api->metrics, runner->jobs->last_run,
		            db_now_ms(api->db) / SECOND_MS);
}

static void
end_round(struct runner *runner)
{
	const struct job_list *jobs = runner->jobs;
	struct task task = {.arena = runner->arena};
	struct operation operation = new_operation(runner, &task);

	if (jobs->measure != NULL &&
	    jobs->measure(&operation, runner->api->metrics) != FAIL_NONE)
		report_failure(runner, "measure", &runner->measure, &task.failure);
	task_clear(&task);
	listen_for_work(runner, &task);
	db_refresh_clock(runner->api->db, &task);
	record_round(runner);
	arena_reset(runner->arena);
}

/* Whether the jobs may run, as their list said last. */
static bool
may_run(struct runner *runner)
{
	const struct job_list *jobs = runner->jobs;
	struct task task = {.arena = runner->arena};
	struct operation operation;
	int64_t again_s = 0;

	if (jobs->may_run == NULL || clock_monotonic_us() < runner->question_due_us)
		return runner->may_run;
	operation = new_operation(runner, &task);
	runner->may_run = jobs->may_run(&operation, runner->api->metrics, &again_s);
	runner->question_due_us = clock_monotonic_us() + again_s * 1000000;
	db_rollback_to(runner->api->db, 0);
	arena_reset(runner->arena);
	return runner->may_run;
}

/* Runs the jobs that are due; false when one has not finished its work. */
static bool
run_due(struct runner *runner)
{
	bool finished = true;

	for (size_t i = 0; i < runner->jobs->count && !should_stop(); i++)
		if (clock_monotonic_us() >= runner->states[i].due_us)
			finished =
			        run_job(runner, &runner->jobs->items[i], &runner->states[i]) &&
			        finished;
	return finished;
}

/* Gives the memory of many rows back to the system before a pause. */
static void
trim_memory(struct runner *runner)
{
	if (!runner->untrimmed || clock_monotonic_us() < runner->trim_due_us)
		return;
	(void)malloc_trim(0);
	runner->untrimmed = false;
	runner->trim_due_us = clock_monotonic_us() + trim_every_us;
}

static void
run_round(struct runner *runner, const struct child *child, const sigset_t *open_signals)
{
	struct api *api = runner->api;
	bool finished = true;

	if (runner->jobs == &local_jobs)
		signing_watch(api);
	else
		signing_refresh(api);
	sold_terms_load(api);
	if (child->role->stripe == STRIPE_IN_JOBS)
		atomic_store(api->stripe_idle, true);
	if (may_run(runner))
		finished = run_due(runner);
	end_round(runner);
	/* This process has survived the work that was waiting. */
	atomic_store(child->started, true);
	if (finished)
		trim_memory(runner);
	db_sleep(api->db, finished ? runner->jobs->round_ms : 0, open_signals);
}

/* The database answers: the first round may take long, and must not look like an outage meanwhile. */
static void
begin_rounds(const struct runner *runner, struct task *task)
{
	struct instant now;

	if (db_clock(runner->api->db, task, &now) != FAIL_NONE)
		task_clear(task);
	else if (runner->jobs == &local_jobs)
		metrics_set(runner->api->metrics, METRIC_DATABASE_UP, 1);
}

static void
run_rounds(struct runner *runner, const struct child *child, const sigset_t *open_signals)
{
	struct task task = {.arena = runner->arena};

	begin_rounds(runner, &task);
	/* Work that arrives during the first round starts the second one at once. */
	listen_for_work(runner, &task);
	arena_reset(runner->arena);
	while (!should_stop())
		run_round(runner, child, open_signals);
}

/* Waits for the requests that are on their way to receivers. */
static void
end_webhooks(const struct runner *runner)
{
	struct task task = {.arena = runner->arena};
	struct operation operation = new_operation(runner, &task);

	webhook_sender_end(runner->api->webhooks, &operation);
}

int
jobs_run(const struct child *child)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct api *api = child_enter(child);
	struct runner runner = {.api = api, .jobs = child->role->jobs, .may_run = true};
	sigset_t open_signals;

	if (api == NULL)
		return 1;
	sigemptyset(&action.sa_mask);
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGQUIT, &action, NULL);
	sigfillset(&open_signals);
	sigdelset(&open_signals, SIGTERM);
	sigdelset(&open_signals, SIGQUIT);
	runner.arena = arena_new(ARENA_LIMIT);
	atomic_store(child->serving, true);
	run_rounds(&runner, child, &open_signals);
	end_webhooks(&runner);
	arena_free(runner.arena);
	child_leave(api);
	return 0;
}
