/*
 * retired.h: children of old generations, which finish what runs and are only counted from then on.
 */
#ifndef BILLINGD_RETIRED_H
#define BILLINGD_RETIRED_H

#include <sys/types.h>

#include "billingd/role.h"

enum { RETIRED_MAX = 4 * ROLE_CHILDREN_MAX };

/* A child, and when the patience with what it runs is over. */
struct retired_child {
	const struct role *role;
	pid_t pid;
	int64_t deadline_us;
};

struct retired {
	struct retired_child items[RETIRED_MAX];
	size_t count;
};

/* Tells the child to retire, within so many microseconds. Should more pile up than can be
 * remembered, it is ended at once. */
void retired_add(struct retired *retired, const struct role *role, pid_t pid,
                 int64_t patience_us);

/* Forgets the child, which has ended: its role, or NULL when it is none of these. */
const struct role *retired_remove(struct retired *retired, pid_t pid);

/* Ends those whose time is over; how long until the next one's is, in microseconds (a minute at
 * most). */
int64_t retired_end_late(struct retired *retired);

#endif
