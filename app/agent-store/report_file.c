/* report_file.c: reads and writes usage reports as files in the folder. */
#include "agent-store/report_file.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "agent-store/spool_progress.h"
#include "base/arena.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/random.h"

enum { ID_BYTES = 4 };

const char *
report_file_name(struct arena *arena, int64_t number)
{
	return arena_printf(arena, "usage/%0*lld.json", REPORT_NUMBER_DIGITS,
	                    (long long)number);
}

bool
report_file_number(struct task *task, const struct state *state, const char *name,
                   struct json_view *object, int64_t *number)
{
	return state_object(task, state, name, object) &&
	       json_view_int(object, "number", number) && *number >= 0 &&
	       *number <= REPORT_NUMBER_MAX;
}

bool
report_file_tally(struct task *task, const struct json_view *object, struct tally *out)
{
	struct task reading = task_attempt(task);
	struct json_view tally;
	const char *version;

	*out = (struct tally){0};
	if (!json_view_object(object, "tally", &tally) ||
	    tally_add(&reading, out, &tally) != FAIL_NONE)
		return false;
	if (json_view_string(object, "version", &version))
		(void)tally_set_version(out, version);
	return true;
}

bool
report_file_read(struct task *task, const struct state *state, const char *name,
                 struct report *out)
{
	struct json_view object;
	const char *at;

	if (!report_file_number(task, state, name, &object, &out->number) ||
	    !json_view_int(&object, "first", &out->first) || out->first < 1 ||
	    out->first > out->number ||
	    !json_view_string(&object, "report_id", &out->report_id) ||
	    !json_view_string(&object, "reported_at", &at) ||
	    !clock_parse(at, &out->reported_at.ms))
		return false;
	out->reported_at.known = true;
	return report_file_tally(task, &object, &out->tally);
}

void
report_file_write_tally(struct json_out *json, const struct tally *tally)
{
	json_out_open(json, "tally", '{');
	tally_write(tally, json);
	json_out_close(json, '}');
	/* Not in it, as an agent that does not know the version refuses other members there. */
	if (*tally->version != '\0')
		json_out_string(json, "version", tally->version);
}

enum fail
report_file_write(struct task *task, const struct state *state, const char *name,
                  const struct report *report, const char *why)
{
	struct json_out json = json_out_new(task->arena, 512);

	json_out_open(&json, NULL, '{');
	json_out_int(&json, "number", report->number);
	json_out_int(&json, "first", report->first);
	json_out_string(&json, "report_id", report->report_id);
	json_out_time(&json, "reported_at", report->reported_at);
	if (why != NULL)
		json_out_string(&json, "why", why);
	report_file_write_tally(&json, &report->tally);
	return state_keep_json(task, state, name, &json);
}

enum fail
report_file_keep(struct task *task, const struct state *state, const struct report *report)
{
	return report_file_write(task, state, report_file_name(task->arena, report->number),
	                         report, NULL);
}

enum fail
report_file_remove(struct task *task, const struct state *state, int64_t number)
{
	const char *path =
	        state_path(task->arena, state, report_file_name(task->arena, number));

	if (unlink(path) == 0 || errno == ENOENT)
		return FAIL_NONE;
	return file_unwritable(task, path, errno);
}

const char *
report_make_id(struct arena *arena, const struct state *state, const struct report *report)
{
	struct sha256 sender = digest_sha256(state->instance_id, strlen(state->instance_id));

	return arena_printf(arena, "agent:%s:%lld-%lld:%s", hex_encode(arena, sender.bytes, 6),
	                    (long long)report->first, (long long)report->number,
	                    random_id(arena, "", ID_BYTES));
}

void
report_write(const struct report *report, struct json_out *json)
{
	json_out_string(json, "report_id", report->report_id);
	json_out_time(json, "reported_at", report->reported_at);
	json_out_int(json, "active_devices", report->tally.active_devices);
	json_out_int(json, "total_devices", report->tally.total_devices);
	tally_write_metrics(&report->tally, json);
	if (*report->tally.version != '\0')
		json_out_string(json, "version", report->tally.version);
}
