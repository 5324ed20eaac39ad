/* role.h: the kinds of processes that the master starts, how many of each, and what each
 * gets. */
#pragma once

#include <stdatomic.h>

#include "api/api.h"

struct generation;
struct job_list;
struct connections;

/* Whether a process may wait for Stripe, and for how long. */
enum stripe_use { STRIPE_NEVER, STRIPE_IN_REQUESTS, STRIPE_IN_JOBS };

struct role {
	/* The name in the logs and in PostgreSQL's list of connections. The system shows its
	 * first 15 characters, which begin with "billingd" and differ between roles. */
	const char *name;
	enum pool pool;
	enum stripe_use stripe;
	unsigned int secrets;        /* the kinds that it gets */
	bool signs;                  /* it gets the keys, the private one too */
	const struct job_list *jobs; /* NULL: it is a worker of the pool */
	size_t (*count)(const struct generation *generation);
};

/* All roles; at most ROLE_CHILDREN_MAX children in one generation. */
extern const struct role roles[];
extern const size_t role_count;
enum { ROLE_CHILDREN_MAX = 4 + 512 + 64 };

/* The arguments of a new process. */
struct child {
	const struct role *role;
	struct generation *generation;
	struct metrics *metrics;
	struct connections *connections; /* of a worker, else NULL */
	/* Set when the first request has come or the first round of jobs is over. A process
	 * that dies earlier is replaced after a growing delay. */
	atomic_bool *started;
	/* Set when the process is ready for its work. */
	atomic_bool *serving;
	atomic_int *key_changes;
	atomic_bool *stripe_idle; /* all generations' */
	struct share *share;      /* likewise */
	size_t share_slot;
	const atomic_bool *stopping;
};

/* Does the child's work. Its exit status. All signals are blocked on entry. */
int role_run(const struct child *child);
