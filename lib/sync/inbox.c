/* inbox.c: processes one event at a time. */
#include "sync/inbox.h"

#include "base/log.h"
#include "outbox/fetch.h"
#include "sync/events.h"
#include "sync/families.h"

static enum fail
process(struct operation *operation, const struct stripe_event_row *row,
        const char **customer_id, enum sync_result *out)
{
	const struct sync_target target = {
	        .id = row->subject,
	        .customer = row->stripe_customer_id,
	        .customer_id = row->customer_hint,
	        .event_type = row->type,
	};
	const struct event_family *family = event_family(row->family);

	if (family != NULL)
		return family->sync(operation, &target, customer_id, out);
	return task_fail(operation->task, FAIL_INTERNAL, "internal_error",
	                 "an event of the unknown family %s", row->family);
}

static enum fail
record_failure(struct operation *operation, const struct stripe_event_row *row, enum fail kind)
{
	const char *error = operation->task->failure.code;
	/* An attempt counts unless Stripe is away or another process holds the subscription. */
	bool counts = kind != FAIL_BUSY && !stripe_is_away(operation, kind);

	db_rollback_to(operation->db, 0);
	log_line(LOG_LEVEL_WARNING, "event not processed", LOG_S("event", row->event_id),
	         LOG_S("type", row->type), LOG_S("code", error),
	         LOG_I("attempts", row->attempts));
	TRY(stripe_event_fail(operation, row, error, counts));
	return counts ? FAIL_NONE : kind;
}

enum fail
stripe_inbox_run(struct operation *operation, int64_t *done)
{
	struct stripe_event_row row = {0};
	struct instant since;
	const char *customer_id = NULL;
	enum sync_result synced = SYNC_SAME;
	enum fail kind;
	bool found;

	TRY(db_begin(operation->db, operation->task));
	TRY(stripe_event_take(operation, &row, &found));
	if (!found)
		return FAIL_NONE;
	*done = 1;
	TRY(db_clock(operation->db, operation->task, &since));
	kind = process(operation, &row, &customer_id, &synced);
	if (kind == FAIL_NONE)
		kind = stripe_event_finish(operation, &row,
		                           synced == SYNC_FOREIGN ? "ignored" : "done",
		                           customer_id, since);
	if (kind == FAIL_NONE)
		kind = db_commit(operation->db, operation->task);
	if (kind != FAIL_NONE)
		return record_failure(operation, &row, kind);
	log_line(LOG_LEVEL_INFO, "event processed", LOG_S("event", row.event_id),
	         LOG_S("type", row.type), LOG_S("customer_id", customer_id),
	         LOG_S("subject", row.subject));
	return FAIL_NONE;
}
