/* spool_progress.c: how far sending has come. */
#include "agent-store/spool_progress.h"

static const char sent_name[] = "usage/sent.json";
static const char in_flight_name[] = "usage/doubt.json";

static int64_t
read_number(struct task *task, const struct state *state, const char *name)
{
	struct json_view object;
	int64_t number;

	if (!state_object(task, state, name, &object) ||
	    !json_view_int(&object, "number", &number) || number < 0 ||
	    number > REPORT_NUMBER_MAX)
		return 0;
	return number;
}

static enum fail
keep_number(struct task *task, const struct state *state, const char *name, int64_t number)
{
	struct json_out json = json_out_new(task->arena, 64);

	json_out_open(&json, NULL, '{');
	json_out_int(&json, "number", number);
	return state_keep_json(task, state, name, &json);
}

int64_t
spool_sent(struct task *task, const struct state *state)
{
	return read_number(task, state, sent_name);
}

enum fail
spool_record_sent(struct task *task, const struct state *state, int64_t number)
{
	if (number <= spool_sent(task, state))
		return FAIL_NONE;
	return keep_number(task, state, sent_name, number);
}

int64_t
spool_in_flight(struct task *task, const struct state *state)
{
	return read_number(task, state, in_flight_name);
}

enum fail
spool_record_in_flight(struct task *task, const struct state *state, int64_t number)
{
	return keep_number(task, state, in_flight_name, number);
}
