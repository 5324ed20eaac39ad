/*
 * master.c: the process that starts the others and watches them.
 *
 * A slot holds one child, or the time when its next child may start. A reload gives every slot
 * to a child of the new generation; the old children are told to retire and moved to the list
 * of retired ones.
 */
#include "billingd/master.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/share.h"
#include "base/log.h"
#include "billingd/retired.h"
#include "billingd/sockets.h"
#include "billingd/worker.h"

enum { SLOTS_MAX = ROLE_CHILDREN_MAX };
static const int64_t throttle_first_us = 1000000;
static const int64_t throttle_last_us = 60000000;

struct slot {
	const struct role *role;
	pid_t pid; /* 0: none */
	int64_t started_us;
	int64_t start_at_us;
	int64_t throttle_us; /* delay of the next start; 0 after a child that had started */
};

/* Memory that the master and all its children share. */
struct shared {
	atomic_bool started[2 * SLOTS_MAX]; /* one per slot, for two generations */
	atomic_bool stripe_idle;
	atomic_bool stopping;
	struct share share; /* numbered like `started` */
	atomic_int key_changes;
};
_Static_assert(SHARE_SLOTS >= 2 * SLOTS_MAX, "each process has a slot");

struct master {
	const char *config_path;
	struct sockets sockets;
	char *pid_file; /* at the start; a reload does not move it */
	struct generation *generation;
	struct metrics *metrics;
	struct shared *shared;
	struct slot slots[SLOTS_MAX];
	size_t slot_count;
	struct retired retired;
	sigset_t signals;   /* the ones that the master waits for */
	int64_t stop_at_us; /* INT64_MAX until a signal asks for a stop */
};

/* Fills the slots by the roles' counts. */
static void
assign_roles(struct master *master)
{
	memset(master->slots, 0, sizeof(master->slots));
	master->slot_count = 0;
	for (size_t i = 0; i < role_count; i++)
		for (size_t left = roles[i].count(master->generation); left > 0; left--)
			master->slots[master->slot_count++].role = &roles[i];
}

/* A child retires when its parent dies: without the master the socket's name stays, so requests
 * might never end. A debugger of the same user cannot attach to it, as it holds the private
 * key. It starts with all signals blocked. */
static void
become_child(struct master *master, const struct child *self, pid_t parent)
{
	(void)prctl(PR_SET_PDEATHSIG, WORKER_RETIRE);
#ifndef __SANITIZE_ADDRESS__
	(void)prctl(PR_SET_DUMPABLE, 0);
#endif
	if (getppid() != parent)
		_exit(0);
	(void)prctl(PR_SET_NAME, self->role->name);
	sockets_close_others(&master->sockets,
	                     self->role->jobs == NULL ? self->role->pool : POOL_COUNT);
}

/* Two generations have flags of their own, so that an old child does not set those of a new
 * one. */
static size_t
shared_number(const struct master *master, size_t slot)
{
	return (size_t)(master->generation->number % 2) * SLOTS_MAX + slot;
}

static atomic_bool *
started_flag(const struct master *master, size_t slot)
{
	return &master->shared->started[shared_number(master, slot)];
}

static void
start_child(struct master *master, size_t slot)
{
	const struct role *role = master->slots[slot].role;
	const struct child self = {
	        .role = role,
	        .generation = master->generation,
	        .metrics = master->metrics,
	        .connections =
	                role->jobs == NULL ? master->sockets.connections[role->pool] : NULL,
	        .started = started_flag(master, slot),
	        .stripe_idle = &master->shared->stripe_idle,
	        .share = &master->shared->share,
	        .share_slot = shared_number(master, slot),
	        .stopping = &master->shared->stopping,
	        .key_changes = &master->shared->key_changes,
	};
	pid_t parent = getpid(), child;

	atomic_store(started_flag(master, slot), false);
	child = fork();
	if (child == 0) {
		become_child(master, &self, parent);
		exit(role_run(&self));
	}
	if (child < 0) {
		log_line(LOG_LEVEL_ERROR, "fork failed", LOG_S("reason", strerror(errno)));
		master->slots[slot].start_at_us = clock_monotonic_us() + throttle_first_us;
		return;
	}
	master->slots[slot].pid = child;
	master->slots[slot].started_us = clock_monotonic_us();
	metrics_add(master->metrics, METRIC_WORKER_STARTS, 1);
	metrics_add(master->metrics, METRIC_WORKERS, 1);
}

/* Starts children that are due. The time until the next one is due, in microseconds (a minute
 * at most). */
static int64_t
start_due(struct master *master)
{
	int64_t now_us = clock_monotonic_us(), wait_us = throttle_last_us;

	for (size_t i = 0; i < master->slot_count; i++) {
		struct slot *slot = &master->slots[i];

		if (slot->pid == 0 && slot->start_at_us <= now_us)
			start_child(master, i);
		if (slot->pid == 0 && slot->start_at_us - now_us < wait_us)
			wait_us = slot->start_at_us - now_us;
	}
	return wait_us;
}

/* A child that got a request, or finished a round of jobs, is replaced at once. One that died
 * earlier would only die again: its slot waits one second, then two, up to a minute. A child
 * that lived for a minute counts as started, as a worker may get no request. */
static void
schedule_restart(struct master *master, size_t index, int status)
{
	struct slot *slot = &master->slots[index];
	int64_t now_us = clock_monotonic_us();
	bool well = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	bool lived = now_us - slot->started_us >= throttle_last_us;

	slot->pid = 0;
	if (well || lived || atomic_load(started_flag(master, index)))
		slot->throttle_us = 0;
	else if (slot->throttle_us == 0)
		slot->throttle_us = throttle_first_us;
	else
		slot->throttle_us *= 2;
	if (slot->throttle_us > throttle_last_us)
		slot->throttle_us = throttle_last_us;
	slot->start_at_us = now_us + slot->throttle_us;
}

static void
log_death(struct master *master, const struct role *role, pid_t pid, int status)
{
	bool well = WIFEXITED(status) && WEXITSTATUS(status) == 0;

	metrics_add(master->metrics, METRIC_WORKERS, -1);
	if (well) {
		log_line(LOG_LEVEL_DEBUG, "process ended", LOG_S("process", role->name),
		         LOG_I("pid", pid));
		return;
	}
	metrics_add(master->metrics, METRIC_WORKER_DEATHS, 1);
	log_line(LOG_LEVEL_WARNING, "process died", LOG_S("process", role->name),
	         LOG_I("pid", pid), LOG_I("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0),
	         LOG_I("exit_status", WIFEXITED(status) ? WEXITSTATUS(status) : 0));
}

static void
reap(struct master *master)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		const struct role *role = retired_remove(&master->retired, pid);

		for (size_t i = 0; i < POOL_COUNT; i++)
			connections_release(master->sockets.connections[i], pid);
		for (size_t i = 0; i < master->slot_count; i++) {
			if (master->slots[i].pid != pid)
				continue;
			role = master->slots[i].role;
			schedule_restart(master, i, status);
		}
		/* The first process of a container inherits children of other programs too. */
		if (role != NULL)
			log_death(master, role, pid, status);
	}
}

static void
report_reload(const struct task *task)
{
	log_line(LOG_LEVEL_ERROR, "reload refused, the old configuration stays",
	         LOG_S("reason", task->failure.message));
}

static void
attend(const struct master *master)
{
	for (size_t i = 0; i < POOL_COUNT; i++)
		connections_attend(master->sockets.connections[i]);
}

/* A child checks. Meanwhile workers get the connections that they ask for. */
static bool
check(const struct master *master, struct generation *next)
{
	const struct timespec limit = {.tv_sec = 1};
	pid_t child = generation_start_check(next, report_reload), ended = 0;
	sigset_t signals;
	int status;

	sigemptyset(&signals);
	(void)sigaddset(&signals, SIGIO);
	(void)sigaddset(&signals, SIGCHLD);
	while (child > 0 && (ended = waitpid(child, &status, WNOHANG)) == 0) {
		(void)sigtimedwait(&signals, NULL, &limit);
		attend(master);
	}
	return child > 0 && ended == child && generation_end_check(next, status);
}

/* Old children serve until new ones exist; meanwhile the queue of the socket holds new
 * connections. */
static void
reload(struct master *master)
{
	struct generation *next = generation_load(
	        master->config_path, master->generation->number + 1, report_reload);
	struct slot old[SLOTS_MAX];
	size_t old_count = master->slot_count;
	int64_t timeout_us;

	if (next == NULL)
		return;
	if (!check(master, next)) {
		generation_free(next);
		return;
	}
	memcpy(old, master->slots, sizeof(old));
	generation_free(master->generation);
	master->generation = next;
	timeout_us = next->settings.shutdown_timeout_s * 1000000;
	assign_roles(master);
	(void)start_due(master);
	for (size_t i = 0; i < old_count; i++)
		if (old[i].pid != 0)
			retired_add(&master->retired, old[i].role, old[i].pid, timeout_us);
	metrics_add(master->metrics, METRIC_RELOADS, 1);
	if (!sockets_match(&master->sockets, &next->settings) ||
	    strcmp(next->settings.pid_file, master->pid_file) != 0)
		log_line(LOG_LEVEL_WARNING, "BILLING_SOCKET, BILLING_STRIPE_SOCKET and "
		                            "BILLINGD_PID_FILE change at the next start only");
	log_line(LOG_LEVEL_INFO, "reloaded", LOG_I("generation", next->number));
}

static void
signal_all(const struct master *master, int signal)
{
	for (size_t i = 0; i < master->slot_count; i++)
		if (master->slots[i].pid != 0)
			(void)kill(master->slots[i].pid, signal);
	for (size_t i = 0; i < master->retired.count; i++)
		(void)kill(master->retired.items[i].pid, signal);
}

static bool
has_children(const struct master *master)
{
	for (size_t i = 0; i < master->slot_count; i++)
		if (master->slots[i].pid != 0)
			return true;
	return master->retired.count > 0;
}

/* Waits for a signal; 0 after `wait_us` without one. */
static int
await_signal(const struct master *master, int64_t wait_us)
{
	struct timespec wait = {.tv_sec = wait_us / 1000000,
	                        .tv_nsec = wait_us % 1000000 * 1000};
	int signal = sigtimedwait(&master->signals, NULL, &wait);

	attend(master);
	return signal < 0 ? 0 : signal;
}

/* The sockets' names are removed first, so that nginx asks another host. Then the queues are
 * served. */
static int
stop(struct master *master)
{
	int64_t timeout_us = master->generation->settings.shutdown_timeout_s * 1000000;
	int64_t deadline_us = clock_monotonic_us() + timeout_us;

	log_line(LOG_LEVEL_INFO, "stopping");
	sockets_unlink(&master->sockets);
	signal_all(master, WORKER_DRAIN);
	reap(master);
	while (has_children(master)) {
		int64_t left_us = deadline_us - clock_monotonic_us();
		int signal = await_signal(master, left_us > 0 ? left_us : 100000);

		if (signal == SIGTERM || signal == SIGINT || left_us <= 0)
			signal_all(master, SIGKILL);
		reap(master);
	}
	if (*master->pid_file != '\0')
		(void)unlink(master->pid_file);
	log_line(LOG_LEVEL_INFO, "stopped");
	return 0;
}

/* The first signal lets load balancers see, for DRAIN_DELAY_SECONDS, that this host is not ready any
 * more. Meanwhile everything is served. A second signal ends the delay. */
static void
schedule_stop(struct master *master)
{
	int64_t delay_us = master->generation->settings.drain_delay_s * 1000000;
	bool again = atomic_exchange(&master->shared->stopping, true);

	master->stop_at_us = clock_monotonic_us() + (again ? 0 : delay_us);
	if (!again && delay_us > 0)
		log_line(LOG_LEVEL_INFO, "not ready any more, stopping soon",
		         LOG_I("seconds", delay_us / 1000000));
}

/* How long the master may sleep: until a child is due, is late, or the stop begins. */
static int64_t
time_to_sleep(struct master *master)
{
	int64_t start_us = start_due(master), late_us = retired_kill_late(&master->retired);
	int64_t stop_us = master->stop_at_us - clock_monotonic_us();
	int64_t least_us = start_us < late_us ? start_us : late_us;

	least_us = least_us < stop_us ? least_us : stop_us;
	return least_us > 0 ? least_us : 0;
}

static int
watch(struct master *master)
{
	while (master->stop_at_us > clock_monotonic_us()) {
		int signal = await_signal(master, time_to_sleep(master));

		if (signal == SIGTERM || signal == SIGINT)
			schedule_stop(master);
		if (signal == SIGHUP && master->stop_at_us == INT64_MAX)
			reload(master);
		reap(master);
	}
	return stop(master);
}

static bool
write_pid_file(const char *path)
{
	FILE *file;

	if (*path == '\0')
		return true;
	file = fopen(path, "we");
	if (file == NULL || fprintf(file, "%d\n", (int)getpid()) < 0) {
		fprintf(stderr, "billingd: cannot write %s: %s\n", path, strerror(errno));
		if (file != NULL)
			(void)fclose(file);
		return false;
	}
	return fclose(file) == 0;
}

static bool
prepare(struct master *master)
{
	const struct app_settings *settings = &master->generation->settings;
	struct task task = {.arena = master->generation->arena};

	generation_warm(master->generation);
	master->pid_file = strdup(settings->pid_file);
	master->metrics = metrics_new(api_route_count);
	master->shared = mmap(NULL, sizeof(*master->shared), PROT_READ | PROT_WRITE,
	                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (master->pid_file == NULL || master->metrics == NULL ||
	    master->shared == MAP_FAILED) {
		fprintf(stderr, "billingd: no memory\n");
		return false;
	}
	if (sockets_open(&task, settings, &master->sockets) != FAIL_NONE) {
		fprintf(stderr, "billingd: %s\n", task.failure.message);
		return false;
	}
	if (write_pid_file(settings->pid_file))
		return true;
	sockets_unlink(&master->sockets);
	return false;
}

int
master_run(const char *config_path, struct generation *first)
{
	struct master *master = calloc(1, sizeof(*master));
	sigset_t all;
	int status;

	if (master == NULL)
		return 1;
	master->config_path = config_path;
	master->generation = first;
	master->stop_at_us = INT64_MAX;
	assign_roles(master);
	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	sigemptyset(&master->signals);
	for (size_t i = 0; i < 5; i++)
		(void)sigaddset(&master->signals,
		                (int[]){SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGIO}[i]);
	if (prepare(master)) {
		log_line(LOG_LEVEL_INFO, "started", LOG_I("pid", getpid()),
		         LOG_I("processes", master->slot_count),
		         LOG_S("socket", first->settings.socket),
		         LOG_S("stripe_socket", first->settings.stripe_socket));
		status = watch(master);
	} else {
		status = 1;
	}
	generation_free(master->generation);
	sockets_free(&master->sockets);
	free(master->pid_file);
	free(master);
	return status;
}
