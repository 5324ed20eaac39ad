/* retired.c: children of earlier generations, which finish their requests and end. */
#include "billingd/retired.h"

#include <signal.h>

#include "base/clock.h"
#include "base/log.h"
#include "billingd/worker.h"

static const int64_t longest_wait_us = 60000000;

void
retired_add(struct retired *retired, const struct role *role, pid_t pid, size_t successor)
{
	if (retired->count < RETIRED_MAX)
		retired->items[retired->count++] =
		        (struct retired_child){role, pid, successor, INT64_MAX};
	else
		(void)kill(pid, SIGKILL);
}

void
retired_tell(struct retired *retired, size_t count, int64_t timeout_us)
{
	int64_t deadline_us = clock_monotonic_us() + timeout_us;

	for (size_t i = 0; i < retired->count; i++) {
		struct retired_child *child = &retired->items[i];

		if (child->deadline_us != INT64_MAX || child->successor >= count)
			continue;
		(void)kill(child->pid, WORKER_RETIRE);
		child->deadline_us = deadline_us;
	}
}

const struct role *
retired_remove(struct retired *retired, pid_t pid)
{
	for (size_t i = 0; i < retired->count; i++) {
		const struct role *role = retired->items[i].role;

		if (retired->items[i].pid != pid)
			continue;
		retired->items[i] = retired->items[--retired->count];
		return role;
	}
	return NULL;
}

int64_t
retired_kill_late(struct retired *retired)
{
	int64_t now_us = clock_monotonic_us(), wait_us = longest_wait_us;

	for (size_t i = 0; i < retired->count; i++) {
		struct retired_child *child = &retired->items[i];

		if (child->deadline_us <= now_us) {
			log_line(LOG_LEVEL_WARNING,
			         "process did not end after the reload, killed",
			         LOG_S("process", child->role->name), LOG_I("pid", child->pid));
			(void)kill(child->pid, SIGKILL);
			child->deadline_us = now_us + longest_wait_us;
		}
		if (child->deadline_us - now_us < wait_us)
			wait_us = child->deadline_us - now_us;
	}
	return wait_us;
}
