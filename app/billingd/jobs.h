/* jobs.h: the processes that run periodic work outside of requests. */
#pragma once

#include "billingd/role.h"
#include "operation/operation.h"

/* `run` does one step and sets `*done` to the rows that it changed. A job that is due takes steps
 * until one finds nothing to do, one fails, or its time slice of two seconds is over. */
struct job {
	const char *name;
	int64_t every_s;
	enum fail (*run)(struct operation *operation, int64_t *done);
	enum metric counter; /* of the rows; METRIC_COUNT: none */
	int64_t full; /* rows of a full step; one that does fewer leaves the rest for the next round */
};

/* The jobs of one process, which run one after the other. */
struct job_list {
	const struct job *items;
	size_t count;         /* at most JOBS_MAX */
	const char *actor;    /* for the audit trail */
	enum metric last_run; /* time of the last round in which the database answered */
	const char *channel;  /* NOTIFY on it starts a round at once; NULL: none */
	/* Says before a round whether its jobs may run, and after which time it is asked again;
	 * NULL: they always may. */
	bool (*may_run)(struct operation *operation, struct metrics *metrics, int64_t *again_s);
	bool quiet;       /* the log does not tell of the rows that the jobs change */
	int64_t round_ms; /* the next round starts so long after one that left nothing */
	/* Sets gauges after a round; NULL: none. */
	enum fail (*measure)(struct operation *operation, struct metrics *metrics);
};
enum { JOBS_MAX = 48 };

/* The jobs that need PostgreSQL alone. */
extern const struct job_list local_jobs;

/* The jobs that need Stripe too. */
extern const struct job_list stripe_jobs;

/* The jobs that send events to webhook endpoints. */
extern const struct job_list webhook_jobs;

/* The jobs that need the mail server too. */
extern const struct job_list mail_jobs;

/* Sets a gauge to the seconds since then; 0 for an unknown or a coming time. */
void jobs_set_age(const struct operation *operation, struct metrics *metrics, enum metric gauge,
                  struct instant since);

/* Runs the role's jobs, each when it is due, until TERM or QUIT comes. The exit status. All signals
 * are blocked on entry. Several processes may run the same jobs: each skips rows that another has
 * locked. */
int jobs_run(const struct child *child);
