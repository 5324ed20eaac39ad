/* report.c: sends the unsent usage. A report leaves the folder only once the service has
 * answered about it, and its id makes a repeated report harmless. Reports in flight are sent
 * again before any others, so that at most one batch is in flight. */
#include <string.h>

#include "agent-store/spool_progress.h"
#include "agent-store/spool_refused.h"
#include "agent-sync/session.h"
#include "base/arena.h"
#include "base/log.h"
#include "base/text.h"
#include "base/wire.h"

static const char path[] = "/api/usage/reports";

static const char *
write_batch(struct agent_session *session, const struct report *reports, size_t count)
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

static bool
malformed(struct agent_session *session, const char *why)
{
	return session_fail(session, SYNC_UNTRUSTED, "%s: %s", path, why);
}

static const char *
reason_of(const struct json_view *result)
{
	const char *message = "no reason given";
	struct json_view error;

	if (json_view_member(result, "error", &error) && !json_view_text(&error, &message))
		(void)json_view_string(&error, "error", &message);
	return message;
}

/* Moves the metrics that the refusal names from `rest` to `bad`; returns the reason for the last. */
static const char *
take_bad_metrics(struct arena *arena, const struct json_view *result, struct report *rest,
                 struct report *bad)
{
	struct json_view details, detail;
	const char *field, *message, *why = NULL;

	if (!json_view_list(result, "details", &details))
		return NULL;
	for (bool more = json_view_first(&details, &detail); more;
	     more = json_view_next(&detail))
		if (json_view_string(&detail, "field", &field) &&
		    text_starts_with(field, "metrics.") &&
		    tally_move(&rest->tally, field + strlen("metrics."), &bad->tally) &&
		    json_view_string(&detail, "message", &message))
			why = arena_printf(arena, "%s %s", field, message);
	return why;
}

/* Removes the version when the refusal names it: a service that takes none refuses the whole report. */
static bool
drop_version(const struct json_view *result, struct report *rest)
{
	struct json_view details, detail;
	const char *field;

	if (*rest->tally.version == '\0' || !json_view_list(result, "details", &details))
		return false;
	for (bool more = json_view_first(&details, &detail); more;
	     more = json_view_next(&detail))
		if (json_view_string(&detail, "field", &field) &&
		    strcmp(field, "version") == 0) {
			rest->tally.version[0] = '\0';
			return true;
		}
	return false;
}

/* Keeps aside what the service refuses: some metrics, and then the rest is sent again, or else the
 * report. A version is dropped. */
static enum fail
keep_aside(struct agent_session *session, const struct report *report,
           const struct json_view *result)
{
	struct task *task = session->task;
	struct report rest = *report, bad = *report;
	const char *why;

	bad.tally = (struct tally){0};
	if (drop_version(result, &rest)) {
		session->resend = true;
		return report_file_keep(task, session->state, &rest);
	}
	why = take_bad_metrics(task->arena, result, &rest, &bad);
	log_line(LOG_LEVEL_ERROR, "the service refuses usage, which is kept aside",
	         LOG_S("report_id", report->report_id),
	         LOG_S("reason", why != NULL ? why : reason_of(result)));
	if (bad.tally.metric_count == 0)
		return spool_refuse(task, session->state, report, reason_of(result));
	session->resend = true;
	return spool_split(task, session->state, &rest, &bad,
	                   why != NULL ? why : reason_of(result));
}

/* Handles one result. */
static bool
handle_result(struct agent_session *session, const struct report *report,
              const struct json_view *result)
{
	const char *status;

	if (!json_view_string(result, "status", &status))
		return malformed(session, "a result has no status");
	if (strcmp(status, "invalid") == 0)
		return session_check(session, keep_aside(session, report, result));
	if (strcmp(status, "created") != 0 && strcmp(status, "duplicate") != 0)
		return malformed(session, "a result has an unknown status");
	return session_check(session, spool_done(session->task, session->state, report));
}

static bool
handle_answer(struct agent_session *session, const struct report *reports, size_t count,
              const struct http_answer *answer)
{
	struct json_view object, results, result;
	size_t handled = 0;

	if (!session_object(session, answer, &object) ||
	    !json_view_member(&object, "results", &results) || !json_view_is_list(&results))
		return malformed(session, "the answer has no results");
	for (bool more = json_view_first(&results, &result); more;
	     more = json_view_next(&result)) {
		int64_t index;

		if (!json_view_int(&result, "index", &index) || index < 0 ||
		    (size_t)index >= count)
			return malformed(session, "a result has no index");
		if (!handle_result(session, &reports[index], &result))
			return false;
		handled++;
	}
	return handled >= count || malformed(session, "results are missing");
}

/* How many reports are sent next: those in flight, else at most half of AGENT_BUFFER_REPORTS,
 * so that the buffer has room for others while these are in flight. */
static size_t
next_batch(struct agent_session *session, const struct report *reports, size_t count)
{
	int64_t in_flight = spool_in_flight(session->task, session->state);
	size_t half = (size_t)session->settings->buffer_reports / 2;
	size_t most = half < WIRE_BATCH_MAX ? half : WIRE_BATCH_MAX, batch = 0;

	while (batch < count && batch < WIRE_BATCH_MAX && reports[batch].number <= in_flight)
		batch++;
	if (batch > 0)
		return batch;
	return count < most ? count : most;
}

static bool
send_batch(struct agent_session *session, const struct report *reports, size_t count)
{
	struct http_answer answer;

	return session_check(session, spool_record_in_flight(session->task, session->state,
	                                                     reports[count - 1].number)) &&
	       session_send(session, path, "", write_batch(session, reports, count), &answer) &&
	       handle_answer(session, reports, count, &answer);
}

static void
send_all(struct agent_session *session)
{
	struct report *reports = NULL;
	size_t count = 0, batch;

	(void)session_check(session,
	                    spool_list(session->task, session->state, &reports, &count));
	for (; count > 0; reports += batch, count -= batch) {
		batch = next_batch(session, reports, count);
		if (!send_batch(session, reports, batch))
			return;
	}
}

/* Each round that asks for another has taken metrics or the version from a report, so there is an end. */
void
session_report(struct agent_session *session)
{
	do {
		session->resend = false;
		send_all(session);
	} while (session->resend && session->sync.outcome == SYNC_DONE);
}
