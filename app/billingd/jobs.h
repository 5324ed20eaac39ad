/*
 * jobs.h: the processes that do what no request waits for.
 */
#ifndef BILLINGD_JOBS_H
#define BILLINGD_JOBS_H

#include "billing/operation.h"
#include "billingd/role.h"

/* A job works on at most `limit` rows and tells how many there were. */
struct job {
	const char *name;
	int64_t every_s;
	int64_t batch; /* rows in one run */
	enum fail (*run)(struct operation *operation, int64_t limit, int64_t *done);
	enum metric counter; /* METRIC_COUNT: none */
};

/* What one process runs, one job after the other; one that has much to do gives way to the others
 * every few seconds. */
struct job_list {
	const struct job *items;
	size_t count;         /* at most JOBS_MAX */
	const char *actor;    /* for the audit trail */
	enum metric last_run; /* when it last finished a round; METRIC_COUNT: none */
	const char *channel;  /* NOTIFY on it starts a round at once; NULL: none */
	/* Sets gauges, after a round; NULL: none. */
	enum fail (*measure)(struct operation *operation, struct metrics *metrics);
};
enum { JOBS_MAX = 16, JOB_BATCH = 500 };

/* What needs nobody but PostgreSQL. */
extern const struct job_list local_jobs;

/* What needs Stripe too. */
extern const struct job_list stripe_jobs;

/* Runs each of the role's jobs when it is due until told to stop (TERM or QUIT). The exit status.
 * All signals are blocked on entry. Any number of these may run: jobs skip rows that others
 * hold. */
int jobs_run(const struct child *child);

#endif
