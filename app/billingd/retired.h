/* retired.h: children of earlier generations, which finish their requests and end. */
#pragma once

#include <sys/types.h>

#include "billingd/role.h"

enum { RETIRED_MAX = 4 * ROLE_CHILDREN_MAX };

/* A child, and when it is killed if it still runs. */
struct retired_child {
	const struct role *role;
	pid_t pid;
	size_t successor;    /* its slot's number in the new generation */
	int64_t deadline_us; /* INT64_MAX until the child is told to retire */
};

struct retired {
	struct retired_child items[RETIRED_MAX];
	size_t count;
};

/* Adds a child that serves until its successor does. When the list is full, the child is killed at
 * once. */
void retired_add(struct retired *retired, const struct role *role, pid_t pid, size_t successor);

/* Tells the children whose successors have numbers below `count` to retire within `timeout_us`. */
void retired_tell(struct retired *retired, size_t count, int64_t timeout_us);

/* Removes a child that has ended. Its role, or NULL when it is not in the list. */
const struct role *retired_remove(struct retired *retired, pid_t pid);

/* Kills the children whose time is over. The time until the next one's is, in microseconds (a
 * minute at most). */
int64_t retired_kill_late(struct retired *retired);
