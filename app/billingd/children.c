/* children.c: starts children and notices their ends. */
#include "billingd/children.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/share.h"
#include "base/log.h"
#include "billingd/worker.h"

static const int64_t throttle_first_us = 1000000;
const int64_t children_throttle_us = 60000000;

struct shared {
	atomic_bool started[2 * SLOTS_MAX]; /* one per slot, for two generations */
	atomic_bool serving[2 * SLOTS_MAX]; /* numbered like `started` */
	atomic_bool stripe_idle;
	atomic_bool stopping;
	struct share share; /* numbered like `started` */
	atomic_int key_changes;
};
_Static_assert(SHARE_SLOTS >= 2 * SLOTS_MAX, "each process has a slot");

bool
children_share(struct children *children)
{
	struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
	                             MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	children->shared = shared == MAP_FAILED ? NULL : shared;
	return children->shared != NULL;
}

void
children_assign_roles(struct children *children)
{
	memset(children->slots, 0, sizeof(children->slots));
	children->slot_count = 0;
	for (size_t i = 0; i < role_count; i++)
		for (size_t left = roles[i].count(children->generation); left > 0; left--)
			children->slots[children->slot_count++].role = &roles[i];
}

/* A child retires when its parent dies: without the master the socket's name stays, so requests
 * might never end. A debugger of the same user cannot attach to it, as it holds the private
 * key. It starts with all signals blocked. */
static void
become_child(struct children *children, const struct child *self, pid_t parent)
{
	(void)prctl(PR_SET_PDEATHSIG, WORKER_RETIRE);
#ifndef __SANITIZE_ADDRESS__
	(void)prctl(PR_SET_DUMPABLE, 0);
#endif
	if (getppid() != parent)
		_exit(0);
	(void)prctl(PR_SET_NAME, self->role->name);
	sockets_close_others(&children->sockets,
	                     self->role->jobs == NULL ? self->role->pool : POOL_COUNT);
}

/* Two generations have flags of their own, so that an old child does not set those of a new
 * one. */
static size_t
shared_number(const struct children *children, size_t slot)
{
	return (size_t)(children->generation->number % 2) * SLOTS_MAX + slot;
}

static atomic_bool *
started_flag(const struct children *children, size_t slot)
{
	return &children->shared->started[shared_number(children, slot)];
}

static atomic_bool *
serving_flag(const struct children *children, size_t slot)
{
	return &children->shared->serving[shared_number(children, slot)];
}

static void
start_child(struct children *children, size_t slot)
{
	const struct role *role = children->slots[slot].role;
	const struct child self = {
	        .role = role,
	        .generation = children->generation,
	        .metrics = children->metrics,
	        .connections =
	                role->jobs == NULL ? children->sockets.connections[role->pool] : NULL,
	        .started = started_flag(children, slot),
	        .serving = serving_flag(children, slot),
	        .stripe_idle = &children->shared->stripe_idle,
	        .share = &children->shared->share,
	        .share_slot = shared_number(children, slot),
	        .stopping = &children->shared->stopping,
	        .key_changes = &children->shared->key_changes,
	};
	pid_t parent = getpid(), child;

	atomic_store(started_flag(children, slot), false);
	atomic_store(serving_flag(children, slot), false);
	child = fork();
	if (child == 0) {
		become_child(children, &self, parent);
		exit(role_run(&self));
	}
	if (child < 0) {
		log_line(LOG_LEVEL_ERROR, "fork failed", LOG_S("reason", strerror(errno)));
		children->slots[slot].start_at_us = clock_monotonic_us() + throttle_first_us;
		return;
	}
	children->slots[slot].pid = child;
	children->slots[slot].started_us = clock_monotonic_us();
	metrics_add(children->metrics, METRIC_WORKER_STARTS, 1);
	metrics_add(children->metrics, METRIC_WORKERS, 1);
}

int64_t
children_start_due(struct children *children)
{
	int64_t now_us = clock_monotonic_us(), wait_us = children_throttle_us;

	for (size_t i = 0; i < children->open_count; i++) {
		struct slot *slot = &children->slots[i];

		if (slot->pid == 0 && slot->start_at_us <= now_us)
			start_child(children, i);
		if (slot->pid == 0 && slot->start_at_us - now_us < wait_us)
			wait_us = slot->start_at_us - now_us;
	}
	return wait_us;
}

/* A child that got a request, or finished a round of jobs, is replaced at once. One that died
 * earlier would only die again: its slot waits one second, then two, up to a minute. A child
 * that lived for a minute counts as started, as a worker may get no request. */
static void
schedule_restart(struct children *children, size_t index, int status)
{
	struct slot *slot = &children->slots[index];
	int64_t now_us = clock_monotonic_us();
	bool well = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	bool lived = now_us - slot->started_us >= children_throttle_us;

	slot->pid = 0;
	if (well || lived || atomic_load(started_flag(children, index)))
		slot->throttle_us = 0;
	else if (slot->throttle_us == 0)
		slot->throttle_us = throttle_first_us;
	else
		slot->throttle_us *= 2;
	if (slot->throttle_us > children_throttle_us)
		slot->throttle_us = children_throttle_us;
	slot->start_at_us = now_us + slot->throttle_us;
}

static void
log_death(struct children *children, const struct role *role, pid_t pid, int status)
{
	bool well = WIFEXITED(status) && WEXITSTATUS(status) == 0;

	metrics_add(children->metrics, METRIC_WORKERS, -1);
	if (well) {
		log_line(LOG_LEVEL_DEBUG, "process ended", LOG_S("process", role->name),
		         LOG_I("pid", pid));
		return;
	}
	metrics_add(children->metrics, METRIC_WORKER_DEATHS, 1);
	log_line(LOG_LEVEL_WARNING, "process died", LOG_S("process", role->name),
	         LOG_I("pid", pid), LOG_I("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0),
	         LOG_I("exit_status", WIFEXITED(status) ? WEXITSTATUS(status) : 0));
}

void
children_reap(struct children *children)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		const struct role *role = retired_remove(&children->retired, pid);

		for (size_t i = 0; i < POOL_COUNT; i++)
			connections_release(children->sockets.connections[i], pid);
		for (size_t i = 0; i < children->slot_count; i++) {
			if (children->slots[i].pid != pid)
				continue;
			role = children->slots[i].role;
			schedule_restart(children, i, status);
		}
		/* The first process of a container inherits children of other programs too. */
		if (role != NULL)
			log_death(children, role, pid, status);
	}
}

bool
children_serve(const struct children *children, size_t first)
{
	for (size_t i = first; i < children->open_count; i++)
		if (!atomic_load(serving_flag(children, i)))
			return false;
	return true;
}

void
children_signal(const struct children *children, int signal)
{
	for (size_t i = 0; i < children->slot_count; i++)
		if (children->slots[i].pid != 0)
			(void)kill(children->slots[i].pid, signal);
	for (size_t i = 0; i < children->retired.count; i++)
		(void)kill(children->retired.items[i].pid, signal);
}

bool
children_exist(const struct children *children)
{
	for (size_t i = 0; i < children->slot_count; i++)
		if (children->slots[i].pid != 0)
			return true;
	return children->retired.count > 0;
}

bool
children_announce_stop(struct children *children)
{
	return atomic_exchange(&children->shared->stopping, true);
}
