/* reminders.c: writes events ahead of the ends of trials, contracts and licences. */
#include "events/reminders.h"

#include <string.h>

#include "base/arena.h"
#include "base/log.h"

/* A step looks at LOOKS objects in one transaction, or prepares the looks at those of MADE_AT_ONCE
 * customers. */
enum { LOOKS = 50, MADE_AT_ONCE = 1000 };

/* An object that cannot be looked at keeps the others waiting no longer than one step. */
#define FAILED_LATER_MS HOUR_MS

/* Whether the clock shows an earlier time than before. */
struct clock_watch {
	bool is_back;
};

enum { TAKE, LATER, DONE, WATCH_CLOCK, MAKE, FIGURES };

static const struct statement statements[] = {
        [TAKE] = {"reminders_take",
                  ROWS_WITH(struct reminder, kind, customer_id, subject, start),
                  .sql = "WITH due AS MATERIALIZED (SELECT kind, customer_id, subject "
                         "  FROM reminders WHERE kind = $1 AND due_at <= $2 "
                         "  ORDER BY due_at LIMIT $3::bigint FOR UPDATE SKIP LOCKED) "
                         "SELECT kind, customer_id, subject, since AS start "
                         "FROM due, reminder_start ORDER BY customer_id, subject"},
        [LATER] = {"reminder_later",
                   .sql = "UPDATE reminders SET due_at = $4 "
                          "WHERE kind = $1 AND customer_id = $2 AND subject = $3"},
        [DONE] = {"reminder_done",
                  .sql = "DELETE FROM reminders "
                         "WHERE kind = $1 AND customer_id = $2 AND subject = $3"},
        [WATCH_CLOCK] =
                {"reminders_watch_clock", ROWS_WITH(struct clock_watch, is_back),
                 .sql = "WITH seen AS MATERIALIZED (SELECT seen_at FROM reminder_start "
                        "  FOR UPDATE), "
                        "moved AS (UPDATE reminder_start o SET seen_at = $1, "
                        "  made_until = CASE WHEN seen.seen_at > $1::timestamptz "
                        "    + interval '1 hour' THEN '' ELSE o.made_until END, "
                        "  made_from = CASE WHEN seen.seen_at <= $1::timestamptz "
                        "    + interval '1 hour' OR o.made_until IS NOT NULL "
                        "    AND o.made_from < $1 THEN o.made_from ELSE $1 END "
                        "  FROM seen WHERE seen.seen_at IS DISTINCT FROM $1) "
                        "SELECT seen_at > $1::timestamptz + interval '1 hour' AS is_back "
                        "FROM seen"},
        [MAKE] = {"reminders_make",
                  .sql = "UPDATE reminder_start SET made_until = "
                         "reminders_make(made_from, $1, made_until, $2::bigint) "
                         "WHERE made_until IS NOT NULL"},
        /* A look that is due at once has no time. */
        [FIGURES] = {"reminder_figures", ROWS_WITH(struct reminder_figures, overdue_since),
                     .sql = "SELECT min(at) AS overdue_since FROM (SELECT min(due_at) AS at "
                            "  FROM unnest(ARRAY['trial', 'contract', 'license']) AS k (kind) "
                            "  CROSS JOIN LATERAL (SELECT due_at FROM reminders r "
                            "    WHERE r.kind = k.kind AND due_at > '-infinity' "
                            "    AND due_at <= $1 ORDER BY due_at LIMIT 1) r "
                            "  UNION ALL (SELECT check_at FROM usage_watch "
                            "    WHERE check_at > '-infinity' AND check_at <= $1 "
                            "    ORDER BY check_at LIMIT 1)) oldest"},
};

const struct statement_list reminder_statements = STATEMENT_LIST(statements);

int64_t
reminder_judge(const struct reminder_days *days, const struct reminder_end *end, int64_t now_ms,
               struct instant *next)
{
	int64_t out = REMINDER_NONE;

	*next = INSTANT_NONE;
	for (size_t i = 0; i < days->count; i++) {
		int64_t at = end->at.ms - days->days[i] * DAY_MS;

		if (at > now_ms) {
			*next = INSTANT_MS(at);
			break;
		}
		if (end->since.ms < at)
			out = days->days[i];
	}
	return end->at.ms <= now_ms && out > 0 ? REMINDER_NONE : out;
}

/* The keys of the days and of all that are more; no event is written for these any more. */
static struct string_list
keys_of(struct arena *arena, const struct reminder *reminder, const struct reminder_days *days,
        struct instant end, int64_t told)
{
	const char **keys = arena_array(arena, days->count, sizeof(*keys));
	size_t count = 0;

	for (size_t i = days->count; i-- > 0;)
		if (days->days[i] >= told)
			keys[count++] = arena_printf(arena, "%s %s %lld %lld", reminder->kind,
			                             reminder->subject, (long long)end.ms,
			                             (long long)days->days[i]);
	return (struct string_list){true, count, keys};
}

enum fail
reminder_take(struct operation *operation, const struct reminder *reminder,
              const struct reminder_days *days, struct reminder_end end, int64_t *out,
              struct instant *next)
{
	struct string_list keys;
	bool is_new;

	if (reminder->start.ms > end.since.ms)
		end.since = reminder->start;
	*out = reminder_judge(days, &end, operation->now_ms, next);
	if (*out == REMINDER_NONE)
		return FAIL_NONE;
	keys = keys_of(operation->task->arena, reminder, days, end.at, *out);
	TRY(event_keys_take(operation, reminder->customer_id, &keys, &is_new));
	if (!is_new)
		*out = REMINDER_NONE;
	return FAIL_NONE;
}

const char *
reminder_data(const struct operation *operation, const char *object, struct instant end)
{
	int64_t days = (end.ms - operation->now_ms + DAY_MS - 1) / DAY_MS;

	return arena_printf(operation->task->arena, "%.*s,\"days_left\":%lld}",
	                    (int)strlen(object) - 1, object, (long long)days);
}

enum fail
reminder_figures(struct operation *operation, struct reminder_figures *out)
{
	bool found;

	return db_row(operation->db, operation->task, &statements[FIGURES],
	              PARAMETERS(param_now(operation)), out, &found);
}

enum fail
reminders_watch_clock(struct operation *operation, int64_t *done)
{
	struct task *task = operation->task;
	struct clock_watch watch = {false};
	bool found;

	TRY(db_begin(operation->db, task));
	TRY(db_row(operation->db, task, &statements[WATCH_CLOCK],
	           PARAMETERS(param_now(operation)), &watch, &found));
	if (watch.is_back)
		log_line(LOG_LEVEL_WARNING,
		         "the clock was set back: all ends are looked at anew");
	TRY(db_run(operation->db, task, &statements[MAKE],
	           PARAMETERS(param_now(operation), param_int(task, MADE_AT_ONCE)), done));
	return db_commit(operation->db, task);
}

static enum fail
look_at(struct operation *operation, const struct reminder *reminder, reminder_look *look)
{
	struct task *task = operation->task;
	struct instant next = INSTANT_NONE;

	TRY(look(operation, reminder, &next));
	return db_run(operation->db, task, &statements[next.known ? LATER : DONE],
	              next.known ? PARAMETERS(reminder->kind, reminder->customer_id,
	                                      reminder->subject, param_time(task, next))
	                         : PARAMETERS(reminder->kind, reminder->customer_id,
	                                      reminder->subject),
	              NULL);
}

/* Puts off an object whose look has failed. While the database is away it is only tried again. */
static enum fail
put_off(struct operation *operation, const struct reminder *reminder, enum fail kind)
{
	if (kind == FAIL_UNAVAILABLE || kind == FAIL_UNCERTAIN)
		return kind;
	log_line(LOG_LEVEL_WARNING, "a reminder could not be written",
	         LOG_S("kind", reminder->kind), LOG_S("customer_id", reminder->customer_id),
	         LOG_S("subject", reminder->subject),
	         LOG_S("code", operation->task->failure.code));
	task_clear(operation->task);
	db_rollback_to(operation->db, 0);
	return db_run(operation->db, operation->task, &statements[LATER],
	              PARAMETERS(reminder->kind, reminder->customer_id, reminder->subject,
	                         param_in(operation, FAILED_LATER_MS)),
	              NULL);
}

enum fail
reminders_run(struct operation *operation, const char *kind, reminder_look *look, int64_t *done)
{
	struct task *task = operation->task;
	enum fail failed;
	const struct reminder *rows;
	size_t count;

	TRY(db_begin(operation->db, task));
	TRY(db_rows(operation->db, task, &statements[TAKE],
	            PARAMETERS(kind, param_now(operation), param_int(task, LOOKS)),
	            (void *)&rows, &count));
	*done = (int64_t)count;
	for (size_t i = 0; i < count; i++) {
		failed = look_at(operation, &rows[i], look);
		if (failed != FAIL_NONE)
			return put_off(operation, &rows[i], failed);
	}
	return db_commit(operation->db, task);
}
