/* retired.h: children of earlier generations, which finish their requests and end. */
#pragma once

#include <sys/types.h>

#include "billingd/role.h"

enum { RETIRED_MAX = 4 * ROLE_CHILDREN_MAX };

/* A child, and when it is killed if it still runs. */
struct retired_child {
	const struct role *role;
	pid_t pid;
	int64_t deadline_us;
};

struct retired {
	struct retired_child items[RETIRED_MAX];
	size_t count;
};

/* Tells the child to retire within `timeout_us`. When the list is full, the child is killed at
 * once. */
void retired_add(struct retired *retired, const struct role *role, pid_t pid,
                 int64_t timeout_us);

/* Removes a child that has ended. Its role, or NULL when it is not in the list. */
const struct role *retired_remove(struct retired *retired, pid_t pid);

/* Kills the children whose time is over. The time until the next one's is, in microseconds (a
 * minute at most). */
int64_t retired_kill_late(struct retired *retired);
