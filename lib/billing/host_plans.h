/* host_plans.h: which plans the hosts of a database have loaded.
 *
 * The connection of each host's local jobs has a digest of the host's plans in its name, which PostgreSQL
 * shows to all hosts while the connection lasts. So a host that is gone is not compared, at the latest after
 * five minutes, and no table has to be kept. A host of an older version does not publish its plans. */
#pragma once

#include <sys/types.h>

#include "operation/operation.h"

extern const struct statement_list host_plans_statements;

enum { HOST_PLANS_NAMED = 10 };

/* The hosts that have a digest in the name of a connection now. */
struct host_plans {
	int64_t backend_pid; /* of the session */
	int64_t alike;       /* hosts that have loaded the plans that were asked about */
	int64_t differ;      /* hosts that have loaded other plans */
	const char *names;   /* of the first HOST_PLANS_NAMED that differ */
	bool pooled;         /* a connection pooler hides the names; nothing is counted */
};

/* The name of a connection that publishes these plans: `role`, then the digest, then the process id of the
 * master, a mark and the name of the host. PostgreSQL keeps 63 characters. */
const char *host_plans_name(struct arena *arena, const char *role, const struct plans *plans,
                            pid_t master);

/* Compares what hosts have loaded with these plans. The host whose connection this is, if it has such a
 * name, is left out: a process from before a reload is no other host. */
enum fail host_plans_compare(struct operation *operation, const struct plans *plans,
                             struct host_plans *out) MUST_CHECK;
