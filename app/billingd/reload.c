/* reload.c: a reload gives every slot to a child of the new generation, a few slots at a time. The old
 * children retire when their successors serve. */
#include "billingd/reload.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/log.h"

/* A reload starts the new children in this many steps, so that few of them read and plan anew at a time. A
 * step ends when its children serve, or when the time of all steps is over. */
enum { RELOAD_STEPS = 8 };
static const int64_t steps_last_us = 5000000;
static const int64_t step_look_us = 5000;

static void
report_reload(const struct task *task)
{
	log_line(LOG_LEVEL_ERROR, "reload refused, the old configuration stays",
	         LOG_S("reason", task->failure.message));
}

/* A child checks. Meanwhile workers get the connections that they ask for. */
static bool
check(const struct children *children, struct generation *next)
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
		sockets_attend(&children->sockets);
	}
	return child > 0 && ended == child && generation_end_check(next, status);
}

/* The children of a role have the new children of that role as their successors, in their order. */
static size_t
successor_of(const struct children *children, const struct slot *old, size_t old_count,
             size_t index)
{
	size_t first = 0, count = 0, before = 0, all = 1;

	for (size_t i = 0; i < old_count; i++) {
		if (i == index || old[i].role != old[index].role)
			continue;
		all++;
		before += i < index;
	}
	for (size_t i = children->slot_count; i > 0; i--) {
		if (children->slots[i - 1].role != old[index].role)
			continue;
		first = i - 1;
		count++;
	}
	return first + before * count / all;
}

/* Old children serve until their successors do. */
static void
take_over(struct reload *reload, struct children *children, struct generation *next)
{
	struct slot old[SLOTS_MAX];
	size_t old_count = children->slot_count;

	memcpy(old, children->slots, sizeof(old));
	generation_free(children->generation);
	children->generation = next;
	children_assign_roles(children);
	children->open_count = 0;
	reload->step_first = 0;
	reload->steps_until_us = clock_monotonic_us() + steps_last_us;
	reload->runs = true;
	for (size_t i = 0; i < old_count; i++)
		if (old[i].pid != 0)
			retired_add(&children->retired, old[i].role, old[i].pid,
			            successor_of(children, old, old_count, i));
}

void
reload_begin(struct reload *reload, struct children *children)
{
	struct generation *next;

	reload->again = reload->runs;
	if (reload->runs)
		return;
	next = generation_load(reload->config_path, children->generation, report_reload);
	if (next == NULL)
		return;
	if (check(children, next))
		take_over(reload, children, next);
	else
		generation_free(next);
}

static void
end_reload(struct reload *reload, struct children *children)
{
	const struct app_settings *settings = &children->generation->settings;

	reload->runs = false;
	metrics_add(children->metrics, METRIC_RELOADS, 1);
	if (!sockets_match(&children->sockets, settings) ||
	    strcmp(settings->pid_file, reload->pid_file) != 0)
		log_line(LOG_LEVEL_WARNING, "BILLING_SOCKET, BILLING_STRIPE_SOCKET and "
		                            "BILLINGD_PID_FILE change at the next start only");
	log_line(LOG_LEVEL_INFO, "reloaded", LOG_I("generation", children->generation->number));
	if (reload->again)
		reload_begin(reload, children);
}

/* Whether the children of the step serve, or have had their time. */
static bool
step_is_over(const struct reload *reload, const struct children *children)
{
	return clock_monotonic_us() >= reload->steps_until_us ||
	       children_serve(children, reload->step_first);
}

/* The predecessors of the step's children retire, and further children start. */
static void
next_step(struct reload *reload, struct children *children)
{
	size_t size = (children->slot_count + RELOAD_STEPS - 1) / RELOAD_STEPS;

	retired_tell(&children->retired, children->open_count,
	             children->generation->settings.shutdown_timeout_s * 1000000);
	if (children->open_count == children->slot_count) {
		end_reload(reload, children);
		return;
	}
	reload->step_first = children->open_count;
	children->open_count += size;
	if (children->open_count > children->slot_count)
		children->open_count = children->slot_count;
	(void)children_start_due(children);
}

int64_t
reload_continue(struct reload *reload, struct children *children)
{
	if (reload->runs && step_is_over(reload, children))
		next_step(reload, children);
	return reload->runs ? step_look_us : children_throttle_us;
}
