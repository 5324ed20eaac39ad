/* known_metrics.c: the names of the metrics that the service knows. */
#include "agent-store/known_metrics.h"

#include "base/arena.h"
#include "base/text.h"

static const char file_name[] = "metrics.json";

enum fail
known_metrics_keep(struct task *task, const struct state *state, const struct json_view *plans)
{
	struct json_view metrics;

	if (!json_view_object(plans, "metrics", &metrics))
		return FAIL_NONE;
	return state_keep_text(task, state, file_name, json_view_source(&metrics));
}

static const char *
list_names(struct arena *arena, const struct json_view *known)
{
	struct text text = text_new(arena, 128);
	struct json_view value;
	const char *name;

	for (bool more = json_view_first_member(known, &name, &value); more;
	     more = json_view_next_member(&name, &value))
		text_printf(&text, "%s%s", text.length == 0 ? "" : ", ", name);
	return text.length == 0 ? "none" : text.data;
}

static enum fail
check_metrics(struct task *task, const struct json_view *known, const struct json_view *metrics)
{
	struct json_view value, kind;
	const char *name;

	for (bool more = json_view_first_member(metrics, &name, &value); more;
	     more = json_view_next_member(&name, &value))
		if (!json_view_member(known, name, &kind))
			return task_fail(task, FAIL_INVALID, "invalid_usage",
			                 "%s is no metric of the service; it knows %s.", name,
			                 list_names(task->arena, known));
	return FAIL_NONE;
}

enum fail
known_metrics_check(struct task *task, const struct state *state, const struct json_view *usage)
{
	static const char *const members[] = {"counts", "metrics", "levels"};
	struct json_view known, metrics;

	if (!state_object(task, state, file_name, &known))
		return FAIL_NONE;
	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
		if (json_view_object(usage, members[i], &metrics))
			TRY(check_metrics(task, &known, &metrics));
	return FAIL_NONE;
}
