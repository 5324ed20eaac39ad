/*
 * master.c: the process that starts the others and watches them.
 *
 * A slot holds one child, or the time when its next child may start. A reload gives every slot
 * to a child of the new generation, a few slots at a time; the old children are moved to the list of
 * retired ones, and are told to retire when their successors serve.
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

/* A reload starts the new children in so many steps, so that few of them read and plan anew at a time. A
 * step ends when its children serve, or when the time of all steps is over. */
enum { RELOAD_STEPS = 8 };
static const int64_t steps_last_us = 5000000;
static const int64_t step_look_us = 5000;

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
	atomic_bool serving[2 * SLOTS_MAX]; /* numbered like `started` */
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
	size_t open_count; /* the slots that may have a child; the others wait for a step */
	size_t step_first; /* the first slot of the step */
	int64_t steps_until_us;
	bool replacing;    /* a reload is not finished */
	bool reload_again; /* HUP has come meanwhile */
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

static atomic_bool *
serving_flag(const struct master *master, size_t slot)
{
	return &master->shared->serving[shared_number(master, slot)];
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
	        .serving = serving_flag(master, slot),
	        .stripe_idle = &master->shared->stripe_idle,
	        .share = &master->shared->share,
	        .share_slot = shared_number(master, slot),
	        .stopping = &master->shared->stopping,
	        .key_changes = &master->shared->key_changes,
	};
	pid_t parent = getpid(), child;

	atomic_store(started_flag(master, slot), false);
	atomic_store(serving_flag(master, slot), false);
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

	for (size_t i = 0; i < master->open_count; i++) {
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

/* The children of a role have the new children of that role as their successors, in their order. */
static size_t
successor_of(const struct master *master, const struct slot *old, size_t old_count,
             size_t index)
{
	size_t first = 0, count = 0, before = 0, all = 0;

	for (size_t i = 0; i < old_count; i++) {
		all += old[i].role == old[index].role;
		before += i < index && old[i].role == old[index].role;
	}
	for (size_t i = master->slot_count; i > 0; i--) {
		if (master->slots[i - 1].role != old[index].role)
			continue;
		first = i - 1;
		count++;
	}
	return first + before * count / all;
}

/* Old children serve until their successors do. */
static void
take_over(struct master *master, struct generation *next)
{
	struct slot old[SLOTS_MAX];
	size_t old_count = master->slot_count;

	memcpy(old, master->slots, sizeof(old));
	generation_free(master->generation);
	master->generation = next;
	assign_roles(master);
	master->open_count = 0;
	master->step_first = 0;
	master->steps_until_us = clock_monotonic_us() + steps_last_us;
	master->replacing = true;
	for (size_t i = 0; i < old_count; i++)
		if (old[i].pid != 0)
			retired_add(&master->retired, old[i].role, old[i].pid,
			            successor_of(master, old, old_count, i));
}

/* HUP during a reload takes effect when all children are replaced. */
static void
reload(struct master *master)
{
	struct generation *next;

	master->reload_again = master->replacing;
	if (master->replacing)
		return;
	next = generation_load(master->config_path, master->generation->number + 1,
	                       report_reload);
	if (next == NULL)
		return;
	if (check(master, next))
		take_over(master, next);
	else
		generation_free(next);
}

static void
end_reload(struct master *master)
{
	const struct app_settings *settings = &master->generation->settings;

	master->replacing = false;
	metrics_add(master->metrics, METRIC_RELOADS, 1);
	if (!sockets_match(&master->sockets, settings) ||
	    strcmp(settings->pid_file, master->pid_file) != 0)
		log_line(LOG_LEVEL_WARNING, "BILLING_SOCKET, BILLING_STRIPE_SOCKET and "
		                            "BILLINGD_PID_FILE change at the next start only");
	log_line(LOG_LEVEL_INFO, "reloaded", LOG_I("generation", master->generation->number));
	if (master->reload_again && master->stop_at_us == INT64_MAX)
		reload(master);
}

/* Whether the children of the step serve, or have had their time. */
static bool
step_is_over(const struct master *master)
{
	if (clock_monotonic_us() >= master->steps_until_us)
		return true;
	for (size_t i = master->step_first; i < master->open_count; i++)
		if (!atomic_load(serving_flag(master, i)))
			return false;
	return true;
}

/* The predecessors of the step's children retire, and further children start. */
static void
next_step(struct master *master)
{
	size_t size = (master->slot_count + RELOAD_STEPS - 1) / RELOAD_STEPS;

	retired_tell(&master->retired, master->open_count,
	             master->generation->settings.shutdown_timeout_s * 1000000);
	if (master->open_count == master->slot_count) {
		end_reload(master);
		return;
	}
	master->step_first = master->open_count;
	master->open_count += size;
	if (master->open_count > master->slot_count)
		master->open_count = master->slot_count;
	(void)start_due(master);
}

/* Goes on with a reload. The time until the next look, in microseconds. */
static int64_t
replace(struct master *master)
{
	if (master->replacing && step_is_over(master))
		next_step(master);
	return master->replacing ? step_look_us : throttle_last_us;
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

/* How long the master may sleep: until a step of a reload may be over, a child is due or late, or the
 * stop begins. */
static int64_t
time_to_sleep(struct master *master)
{
	const int64_t times_us[] = {replace(master), start_due(master),
	                            retired_kill_late(&master->retired),
	                            master->stop_at_us - clock_monotonic_us()};
	int64_t least_us = times_us[0];

	for (size_t i = 1; i < sizeof(times_us) / sizeof(*times_us); i++)
		least_us = times_us[i] < least_us ? times_us[i] : least_us;
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
	master->open_count = master->slot_count;
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
