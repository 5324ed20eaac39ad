/* spool_refused.c: keeps aside what the service refused. */
#include "agent-store/spool_refused.h"

#include <unistd.h>

#include "agent-store/spool_progress.h"
#include "base/arena.h"
#include "base/file.h"
#include "base/log.h"

enum { REFUSED_KEPT = 1000 };

static const char *
name_of(struct arena *arena, int64_t number, const char *part)
{
	return arena_printf(arena, "usage/%0*lld%s.json.refused", REPORT_NUMBER_DIGITS,
	                    (long long)number, part);
}

enum fail
spool_list_refused(struct task *task, const struct state *state, const char *const **names,
                   size_t *count)
{
	const char *const *files = NULL;
	const char **out;

	TRY(file_list(task, state_path(task->arena, state, "usage"), ".refused", &files,
	              count));
	out = arena_array(task->arena, *count + 1, sizeof(*out));
	for (size_t i = 0; i < *count; i++)
		out[i] = arena_printf(task->arena, "usage/%s", files[i]);
	*names = out;
	return FAIL_NONE;
}

static enum fail
drop_oldest(struct task *task, const struct state *state)
{
	const char *const *names = NULL;
	size_t count = 0;

	TRY(spool_list_refused(task, state, &names, &count));
	for (size_t i = 0; i + REFUSED_KEPT < count; i++) {
		log_line(LOG_LEVEL_ERROR, "the oldest refused report is dropped",
		         LOG_S("file", names[i]));
		(void)unlink(state_path(task->arena, state, names[i]));
	}
	return FAIL_NONE;
}

enum fail
spool_refuse(struct task *task, const struct state *state, const struct report *report,
             const char *why)
{
	TRY(report_file_write(task, state, name_of(task->arena, report->number, ""), report,
	                      why));
	TRY(spool_record_sent(task, state, report->number));
	TRY(report_file_remove(task, state, report->number));
	return drop_oldest(task, state);
}

enum fail
spool_split(struct task *task, const struct state *state, const struct report *rest,
            const struct report *bad, const char *why)
{
	const char *name = name_of(task->arena, bad->number, "-metrics");
	struct report all = *bad, before;

	/* An earlier answer named some of them; a crash may have left the same ones. */
	if (report_file_read(task, state, name, &before))
		for (size_t i = 0; i < before.tally.metric_count; i++)
			tally_set(&all.tally, &before.tally.metrics[i]);
	TRY(report_file_write(task, state, name, &all, why));
	TRY(report_file_keep(task, state, rest));
	return drop_oldest(task, state);
}

struct refused_state
spool_refused_state(struct task *task, const struct state *state)
{
	struct refused_state out = {.why = ""};
	struct task reading = task_attempt(task);
	const char *const *names = NULL;
	struct json_view object;

	if (spool_list_refused(&reading, state, &names, &out.count) != FAIL_NONE)
		return (struct refused_state){.why = ""};
	if (out.count > 0 && state_object(task, state, names[out.count - 1], &object))
		(void)json_view_string(&object, "why", &out.why);
	return out;
}
