/*
 * report.c: sends unsent usage. A report leaves the folder only when the service said what became of
 * it; its id makes sending it again harmless. What was sent in vain is sent again before anything else
 * is, so that no more than one batch is ever in doubt.
 */
#include <string.h>

#include "agent-store/spool_progress.h"
#include "agent-sync/session.h"
#include "base/arena.h"
#include "base/json_view.h"
#include "base/log.h"
#include "base/wire.h"

static const char path[] = "/api/usage/reports";

static const char *
write_batch(struct session *session, const struct report *reports, size_t count)
{
	struct json_out json = json_out_new(session->task->arena, 256 * (count + 1));

	json_out_open(&json, NULL, '{');
	json_out_open(&json, "reports", '[');
	for (size_t i = 0; i < count; i++) {
		json_out_open(&json, NULL, '{');
		json_out_string(&json, "customer_id", session->settings->customer_id);
		json_out_string(&json, "instance_id", session->state->instance_id);
		report_write(&reports[i], &json);
		json_out_close(&json, '}');
	}
	json_out_close(&json, ']');
	json_out_close(&json, '}');
	return json.text.data;
}

/* What went wrong with our own disk. Always false. */
static bool
note_failure(struct session *session)
{
	(void)session_fail(session, SYNC_BROKEN, "%s", session->task->failure.message);
	task_clear(session->task);
	return false;
}

/* An answer about one report. An invalid one will never be taken: that is said once, and it is put
 * aside. */
static bool
settle(struct session *session, const struct report *report, const struct json_view *result)
{
	struct json_view error;
	const char *status, *message = "no reason given";
	bool refused;
	enum fail kind;

	if (!json_view_string(result, "status", &status))
		return session_fail(session, SYNC_UNTRUSTED, "%s: a result has no status",
		                    path);
	refused = strcmp(status, "invalid") == 0;
	if (refused) {
		if (json_view_member(result, "error", &error) &&
		    !json_view_text(&error, &message))
			(void)json_view_string(&error, "error", &message);
		log_line(LOG_LEVEL_ERROR, "the service refuses a usage report",
		         LOG_S("report_id", report->report_id), LOG_S("reason", message));
	} else if (strcmp(status, "created") != 0 && strcmp(status, "duplicate") != 0) {
		return session_fail(session, SYNC_UNTRUSTED, "%s: unknown status %s", path,
		                    status);
	}
	kind = refused ? spool_refused(session->task, session->state, report)
	               : spool_done(session->task, session->state, report);
	return kind == FAIL_NONE || note_failure(session);
}

static bool
settle_all(struct session *session, const struct report *reports, size_t count,
           const struct http_answer *answer)
{
	struct task reading = {.arena = session->task->arena};
	struct json_view object, results, result;
	size_t settled = 0;

	if (json_view_open(&reading, answer->body, answer->length, &object) != FAIL_NONE ||
	    !json_view_member(&object, "results", &results) || !json_view_is_list(&results))
		return session_fail(session, SYNC_UNTRUSTED, "%s: the answer has no results",
		                    path);
	for (bool more = json_view_first(&results, &result); more;
	     more = json_view_next(&result)) {
		int64_t index;

		if (!json_view_int(&result, "index", &index) || index < 0 ||
		    (size_t)index >= count)
			return session_fail(session, SYNC_UNTRUSTED,
			                    "%s: a result has no index", path);
		if (!settle(session, &reports[index], &result))
			return false;
		settled++;
	}
	if (settled < count)
		return session_fail(session, SYNC_UNTRUSTED, "%s: results are missing", path);
	return true;
}

/* How many of the reports go next: those in doubt, else so many that the buffer keeps room for others
 * should they come to be in doubt. */
static size_t
next_batch(struct session *session, const struct report *reports, size_t count)
{
	int64_t doubted = spool_in_flight(session->task, session->state);
	size_t half = (size_t)session->settings->buffer_reports / 2;
	size_t most = half < WIRE_BATCH_MAX ? half : WIRE_BATCH_MAX, batch = 0;

	while (batch < count && batch < WIRE_BATCH_MAX && reports[batch].number <= doubted)
		batch++;
	if (batch > 0)
		return batch;
	return count < most ? count : most;
}

static bool
send_batch(struct session *session, const struct report *reports, size_t count)
{
	struct http_answer answer;

	if (spool_record_in_flight(session->task, session->state, reports[count - 1].number) !=
	    FAIL_NONE)
		return note_failure(session);
	return session_send(session, "POST", path, NULL, write_batch(session, reports, count),
	                    &answer) &&
	       settle_all(session, reports, count, &answer);
}

void
session_report(struct session *session)
{
	struct report *reports = NULL;
	size_t count = 0, batch;

	if (spool_list(session->task, session->state, &reports, &count) != FAIL_NONE)
		(void)note_failure(session);
	for (; count > 0; reports += batch, count -= batch) {
		batch = next_batch(session, reports, count);
		if (!send_batch(session, reports, batch))
			return;
	}
}
