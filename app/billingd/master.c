/*
 * master.c: the process that starts the others, watches them, reloads and stops.
 */
#include "billingd/master.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "billingd/reload.h"
#include "billingd/worker.h"

struct master {
	struct children children;
	struct reload reload;
	char *pid_file;     /* at the start; a reload does not move it */
	sigset_t signals;   /* the ones that the master waits for */
	int64_t stop_at_us; /* INT64_MAX until a signal asks for a stop */
};

/* Waits for a signal; 0 after `wait_us` without one. */
static int
await_signal(const struct master *master, int64_t wait_us)
{
	struct timespec wait = {.tv_sec = wait_us / 1000000,
	                        .tv_nsec = wait_us % 1000000 * 1000};
	int signal = sigtimedwait(&master->signals, NULL, &wait);

	sockets_attend(&master->children.sockets);
	return signal < 0 ? 0 : signal;
}

/* The sockets' names are removed first, so that nginx asks another host. Then the queues are
 * served. */
static int
stop(struct master *master)
{
	int64_t timeout_us = master->children.generation->settings.shutdown_timeout_s * 1000000;
	int64_t deadline_us = clock_monotonic_us() + timeout_us;

	log_line(LOG_LEVEL_INFO, "stopping");
	sockets_unlink(&master->children.sockets);
	children_signal(&master->children, WORKER_DRAIN);
	children_reap(&master->children);
	while (children_exist(&master->children)) {
		int64_t left_us = deadline_us - clock_monotonic_us();
		int signal = await_signal(master, left_us > 0 ? left_us : 100000);

		if (signal == SIGTERM || signal == SIGINT || left_us <= 0)
			children_signal(&master->children, SIGKILL);
		children_reap(&master->children);
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
	int64_t delay_us = master->children.generation->settings.drain_delay_s * 1000000;
	bool again = children_announce_stop(&master->children);

	master->reload.again = false; /* no reload follows */
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
	const int64_t times_us[] = {reload_continue(&master->reload, &master->children),
	                            children_start_due(&master->children),
	                            retired_kill_late(&master->children.retired),
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
			reload_begin(&master->reload, &master->children);
		children_reap(&master->children);
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
	const struct app_settings *settings = &master->children.generation->settings;
	struct task task = {.arena = master->children.generation->arena};

	generation_warm(master->children.generation);
	master->pid_file = strdup(settings->pid_file);
	master->reload.pid_file = master->pid_file;
	master->children.metrics = metrics_new(api_route_count);
	if (master->pid_file == NULL || master->children.metrics == NULL ||
	    !children_share(&master->children)) {
		fprintf(stderr, "billingd: no memory\n");
		return false;
	}
	if (sockets_open(&task, settings, &master->children.sockets) != FAIL_NONE) {
		fprintf(stderr, "billingd: %s\n", task.failure.message);
		return false;
	}
	if (write_pid_file(settings->pid_file))
		return true;
	sockets_unlink(&master->children.sockets);
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
	master->reload.config_path = config_path;
	master->children.generation = first;
	master->stop_at_us = INT64_MAX;
	children_assign_roles(&master->children);
	master->children.open_count = master->children.slot_count;
	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	sigemptyset(&master->signals);
	for (size_t i = 0; i < 5; i++)
		(void)sigaddset(&master->signals,
		                (int[]){SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGIO}[i]);
	if (prepare(master)) {
		log_line(LOG_LEVEL_INFO, "started", LOG_I("pid", getpid()),
		         LOG_I("processes", master->children.slot_count),
		         LOG_S("socket", first->settings.socket),
		         LOG_S("stripe_socket", first->settings.stripe_socket));
		status = watch(master);
	} else {
		status = 1;
	}
	generation_free(master->children.generation);
	sockets_free(&master->children.sockets);
	free(master->pid_file);
	free(master);
	return status;
}
