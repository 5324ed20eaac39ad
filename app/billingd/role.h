/*
 * role.h: what kinds of processes the master starts, how many of each, and what it hands to them.
 */
#ifndef BILLINGD_ROLE_H
#define BILLINGD_ROLE_H

#include <stdatomic.h>

#include "api/api.h"

struct generation;
struct job_list;

/* Whether a process may wait for Stripe, and for how long. */
enum stripe_use { STRIPE_NEVER, STRIPE_IN_REQUESTS, STRIPE_IN_JOBS };

struct role {
	/* In the logs and PostgreSQL's list of connections. The system shows its first 15
	 * characters, which begin with "billingd" and are each role's own. */
	const char *name;
	enum pool pool;
	enum stripe_use stripe;
	const struct job_list *jobs; /* what it runs; NULL: it is a worker of the pool */
	size_t (*count)(const struct generation *generation);
};

/* All roles; at most ROLE_CHILDREN_MAX children in one generation. */
extern const struct role roles[];
extern const size_t role_count;
enum { ROLE_CHILDREN_MAX = 2 + 512 + 64 };

/* What a process starts with. */
struct child {
	const struct role *role;
	struct generation *generation;
	struct metrics *metrics;
	int listen_fd; /* of a worker, else -1 */
	/* Set when the first request has come, or the first round of jobs is over; a process that never
	 * gets so far is replaced ever more slowly. */
	atomic_bool *started;
	atomic_bool *stripe_idle; /* all generations' */
};

/* Does the child's work. Its exit status. All signals are blocked on entry. */
int role_run(const struct child *child);

#endif
