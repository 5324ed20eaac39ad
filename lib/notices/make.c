/* make.c: makes notices of the events in the log, and one digest a week. */
#include "notices/make.h"

#include <string.h>

#include "base/arena.h"
#include "base/text.h"

enum { BATCH = 200, LATE_DAYS = 3, DIGEST_HOUR = 6 };

struct place {
	bool known;
	int64_t position;
	int64_t number;
	bool room; /* not too many notices wait */
};

struct week {
	const char *name; /* "2030-W05" */
	struct instant until;
};

enum { LOCK, MOVE, WEEK };

static const struct statement statements[] = {
        [LOCK] = {"notice_cursor_lock", ROWS_WITH(struct place, known, position, number, room),
                  .sql = "SELECT position IS NOT NULL AS known, position, number, "
                         "(SELECT count(*) FROM (SELECT FROM notices WHERE state = 'pending' "
                         "  LIMIT $1::bigint) AS waiting) < $1::bigint AS room "
                         "FROM notice_cursor FOR UPDATE SKIP LOCKED"},
        [MOVE] = {"notice_cursor_move",
                  .sql = "UPDATE notice_cursor SET position = $1::bigint, "
                         "number = $2::bigint"},
        [WEEK] = {"notice_week", ROWS_WITH(struct week, name, until),
                  .sql = "SELECT to_char(moment, 'IYYY-\"W\"IW') AS name, "
                         "(date_trunc('week', moment) + interval '7 days' "
                         "  + $2::bigint * interval '1 hour') "
                         "  AT TIME ZONE 'UTC' AS until "
                         "FROM (SELECT $1::timestamptz AT TIME ZONE 'UTC' "
                         "  - $2::bigint * interval '1 hour' AS moment) AS week"},
};

const struct statement_list notice_make_statements = STATEMENT_LIST(statements);

/* One notice for each operator. */
static enum fail
make_for_operators(struct operation *operation, struct new_notice *notice, int64_t *made)
{
	const char *rest = operation->billing->mail.operators, *item;
	size_t length;

	while (text_next_item(&rest, &item, &length)) {
		notice->recipient = arena_copy_bytes(operation->task->arena, item, length);
		TRY(notice_make(operation, notice, made));
	}
	return FAIL_NONE;
}

static enum fail
make(struct operation *operation, const struct event *event, int64_t *made)
{
	struct notice_facts facts;
	struct new_notice notice = {.kind = notice_kind_of_event(event),
	                            .source = event->event_id,
	                            .recipient = event->customer_id,
	                            .customer_id = event->customer_id,
	                            .facts = &facts};

	if (notice.kind == NOTICE_KINDS ||
	    event->created_at.ms < operation->now_ms - LATE_DAYS * DAY_MS)
		return FAIL_NONE;
	notice_facts_read(operation->task->arena, notice.kind, event, &facts);
	if (notice_kinds[notice.kind].operators)
		return make_for_operators(operation, &notice, made);
	return event->customer_id == NULL ? FAIL_NONE : notice_make(operation, &notice, made);
}

static enum fail
move(struct operation *operation, int64_t position, int64_t number)
{
	return db_run(operation->db, operation->task, &statements[MOVE],
	              PARAMETERS(param_int(operation->task, position),
	                         param_int(operation->task, number)),
	              NULL);
}

static enum fail
begin(struct operation *operation)
{
	struct event_cursor now;

	TRY(event_cursor_now(operation, &now));
	return move(operation, now.position, now.number);
}

static enum fail
take_batch(struct operation *operation, const struct place *place, int64_t *done)
{
	const struct event_filter all = {.type = NULL};
	struct event_batch batch;
	int64_t made = 0;

	TRY(event_batch_read(operation, &all,
	                     (struct event_cursor){place->position, place->number}, BATCH,
	                     &batch));
	for (size_t i = 0; i < batch.count; i++)
		TRY(make(operation, &batch.rows[i], &made));
	*done = (int64_t)batch.count;
	return batch.count == 0 ? FAIL_NONE
	                        : move(operation, batch.place.position, batch.place.number);
}

enum fail
notice_make_run(struct operation *operation, int64_t *done)
{
	struct place place;
	bool found;

	TRY(db_begin(operation->db, operation->task));
	TRY(db_row(operation->db, operation->task, &statements[LOCK],
	           PARAMETERS(param_int(operation->task, NOTICES_PENDING_MAX)), &place,
	           &found));
	if (found && !place.known)
		TRY(begin(operation));
	else if (found && place.room)
		TRY(take_batch(operation, &place, done));
	return db_commit(operation->db, operation->task);
}

enum fail
notice_digest_run(struct operation *operation, int64_t *done)
{
	struct notice_facts facts = {.json = NULL};
	struct new_notice notice = {.kind = NOTICE_DIGEST, .facts = &facts};
	struct arena *arena = operation->task->arena;
	struct week week;
	int64_t made = 0;
	bool found;

	if (*operation->billing->mail.operators == '\0')
		return FAIL_NONE;
	TRY(db_row(operation->db, operation->task, &statements[WEEK],
	           PARAMETERS(param_now(operation), param_int(operation->task, DIGEST_HOUR)),
	           &week, &found));
	facts.json = arena_printf(arena, "{\"week\":\"%s\"}", week.name);
	facts.until = week.until;
	notice.source = arena_printf(arena, "digest_%s", week.name);
	TRY(make_for_operators(operation, &notice, &made));
	/* The step has nothing left to do. */
	(void)done;
	return FAIL_NONE;
}
