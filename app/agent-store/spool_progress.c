/*
 * spool_progress.c: numbers of reports that outlive the reports.
 */
#include "agent-store/spool_progress.h"

#include <string.h>

#include "base/json_out.h"
#include "base/json_view.h"

static const char sent_name[] = "usage/sent.json";
static const char doubt_name[] = "usage/doubt.json";

static int64_t
read_mark(struct task *task, const struct state *state, const char *name)
{
	struct task reading = {.arena = task->arena};
	const char *text = state_text(task, state, name);
	struct json_view object;
	int64_t number;

	if (json_view_open(&reading, text, strlen(text), &object) != FAIL_NONE ||
	    !json_view_int(&object, "number", &number) || number < 0 ||
	    number > REPORT_NUMBER_MAX)
		return 0;
	return number;
}

static enum fail
keep_mark(struct task *task, const struct state *state, const char *name, int64_t number)
{
	struct json_out json = json_out_new(task->arena, 64);

	json_out_open(&json, NULL, '{');
	json_out_int(&json, "number", number);
	json_out_close(&json, '}');
	return state_keep_text(task, state, name, json.text.data);
}

int64_t
spool_sent(struct task *task, const struct state *state)
{
	return read_mark(task, state, sent_name);
}

enum fail
spool_record_sent(struct task *task, const struct state *state, int64_t number)
{
	if (number <= spool_sent(task, state))
		return FAIL_NONE;
	return keep_mark(task, state, sent_name, number);
}

int64_t
spool_in_flight(struct task *task, const struct state *state)
{
	return read_mark(task, state, doubt_name);
}

enum fail
spool_record_in_flight(struct task *task, const struct state *state, int64_t number)
{
	return keep_mark(task, state, doubt_name, number);
}
