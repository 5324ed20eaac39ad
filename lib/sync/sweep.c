/* sweep.c: when our data is compared with Stripe's, and how far a comparison has got. */
#include "sync/sweep.h"

#include <stdio.h>

#include "base/log.h"
#include "outbox/locks.h"

/* Stripe tries to deliver an event for three days, so the first sweep looks back as far. */
#define FIRST_LOOK_MS (3 * DAY_MS)
/* Events may be listed a little late. */
#define OVERLAP_MS HOUR_MS
#define EVENTS_EVERY_MS (900 * SECOND_MS)
#define SUBSCRIPTIONS_EVERY_MS DAY_MS
/* A sweep that takes longer begins anew: Stripe may no longer have the id where it stopped. */
#define SWEEP_LIFE_MS DAY_MS

struct sweep_row {
	struct instant since;
	int64_t part;
	const char *after_id;
	struct instant started_at;
	struct instant finished_at;
	int64_t differences;
	struct instant complete_to;
	const char *version; /* another one after each change */
};

static const struct column columns[] =
        COLUMNS(struct sweep_row, since, part, after_id, started_at, finished_at, differences,
                complete_to, version);

#define SWEEP_COLUMNS                                                                          \
	"since, part::bigint AS part, after_id, started_at, finished_at, differences, "        \
	"complete_to, xmin::text AS version"
#define ROW ROWS_OF(struct sweep_row, columns)

enum { LOCK, TAKE, SAVE, MAKE_DUE, READ };

static const struct statement statements[] = {
        /* A lock of the row would give the transaction an id while it waits for Stripe, and readers
         * of the log of events stop at the oldest open id. */
        [LOCK] = {"stripe_sweep_lock",
                  .sql = "SELECT WHERE pg_try_advisory_xact_lock(hashtextextended("
                         "'stripe-sweep:' || $1, 0))"},
        /* A sweep that is under way or due. */
        [TAKE] = {"stripe_sweep_take", ROW,
                  .sql = "SELECT " SWEEP_COLUMNS " FROM stripe_sweeps WHERE name = $1 "
                         "AND (finished_at IS NULL OR finished_at < $2)"},
        /* Not a sweep that was changed since TAKE read it. */
        [SAVE] = {"stripe_sweep_save",
                  .sql = "UPDATE stripe_sweeps SET since = $2, part = $3::integer, "
                         "after_id = $4, started_at = $5, finished_at = $6, "
                         "differences = $7, complete_to = $8 WHERE name = $1 "
                         "AND xmin::text = $9"},
        [MAKE_DUE] = {"stripe_sweep_make_due",
                      .sql = "UPDATE stripe_sweeps SET finished_at = NULL, started_at = NULL "
                             "WHERE name = COALESCE($1, name)"},
        [READ] = {"stripe_sweep_read", ROW,
                  .sql = "SELECT " SWEEP_COLUMNS " FROM stripe_sweeps WHERE name = $1"},
};

const struct statement_list stripe_sweep_statements = STATEMENT_LIST(statements);

static void
log_difference(const struct stripe_difference *difference, void *closure)
{
	(void)closure;
	log_line(LOG_LEVEL_WARNING, "Stripe has a different value",
	         LOG_S("what", difference->what), LOG_S("id", difference->id),
	         LOG_S("customer_id", difference->customer_id), LOG_S("ours", difference->ours),
	         LOG_S("theirs", difference->theirs));
}

/* The sweep as it was saved, or a new one. */
static struct stripe_sweep
resume(const struct operation *operation, const struct sweep_row *row)
{
	struct instant now = INSTANT_MS(operation->now_ms);
	struct instant since = row->complete_to.known
	                               ? INSTANT_MS(row->complete_to.ms - OVERLAP_MS)
	                               : INSTANT_MS(now.ms - FIRST_LOOK_MS);
	bool begun = row->started_at.known && !row->finished_at.known &&
	             row->started_at.ms > now.ms - SWEEP_LIFE_MS;
	struct stripe_sweep sweep = {
	        .reporter = {log_difference, NULL},
	        .since = begun ? row->since : since,
	        .started_at = begun ? row->started_at : now,
	        .part = begun ? row->part : 0,
	        .differences = begun ? row->differences : 0,
	};

	(void)snprintf(sweep.after, sizeof(sweep.after), "%s", begun ? row->after_id : "");
	return sweep;
}

/* `*saved` is false when the sweep was changed since TAKE read it. */
static enum fail
save(struct operation *operation, const char *name, const struct sweep_row *row,
     const struct stripe_sweep *sweep, bool *saved)
{
	struct task *task = operation->task;
	struct instant now = INSTANT_MS(operation->now_ms);
	int64_t changed;

	TRY(db_run(operation->db, task, &statements[SAVE],
	           PARAMETERS(name, param_time(task, sweep->since),
	                      param_int(task, sweep->part), sweep->after,
	                      param_time(task, sweep->started_at),
	                      sweep->finished ? param_time(task, now) : NULL,
	                      param_int(task, sweep->differences),
	                      param_time(task, sweep->finished ? sweep->started_at
	                                                       : row->complete_to),
	                      row->version),
	           &changed));
	*saved = changed > 0;
	return FAIL_NONE;
}

enum fail
stripe_sweep_run(struct operation *operation, const char *name, int64_t every_ms,
                 enum fail (*step)(struct operation *operation, struct stripe_sweep *sweep),
                 int64_t *done)
{
	struct task *task = operation->task;
	struct instant due = INSTANT_MS(operation->now_ms - every_ms);
	struct sweep_row row;
	struct stripe_sweep sweep;
	int64_t locked;
	bool found, saved;

	TRY(db_begin(operation->db, task));
	TRY(db_run(operation->db, task, &statements[LOCK], PARAMETERS(name), &locked));
	if (locked == 0)
		return FAIL_NONE;
	TRY(db_row(operation->db, task, &statements[TAKE],
	           PARAMETERS(name, param_time(task, due)), &row, &found));
	if (!found)
		return FAIL_NONE;
	*done = 1;
	sweep = resume(operation, &row);
	TRY(step(operation, &sweep));
	TRY(save(operation, name, &row, &sweep, &saved));
	/* The sweep was made due meanwhile, or a host of an older version, which locks the row, did this step.
	 * Nothing of the step is kept: the next round goes on from the row as it is then. */
	if (!saved) {
		*done = 0;
		db_rollback_to(operation->db, 0);
		return FAIL_NONE;
	}
	if (sweep.finished)
		log_line(LOG_LEVEL_INFO, "compared with Stripe", LOG_S("what", name),
		         LOG_I("differences", sweep.differences));
	return db_commit(operation->db, task);
}

enum fail
stripe_sweep_run_events(struct operation *operation, int64_t *done)
{
	return stripe_sweep_run(operation, "events", EVENTS_EVERY_MS, stripe_sweep_events,
	                        done);
}

enum fail
stripe_sweep_run_subscriptions(struct operation *operation, int64_t *done)
{
	return stripe_sweep_run(operation, "subscriptions", SUBSCRIPTIONS_EVERY_MS,
	                        stripe_sweep_subscriptions, done);
}

enum fail
stripe_sweep_make_due(struct operation *operation, const char *name)
{
	return db_run(operation->db, operation->task, &statements[MAKE_DUE], PARAMETERS(name),
	              NULL);
}

enum fail
stripe_sweep_make_all_due(struct operation *operation)
{
	return stripe_jobs_make_due(operation, &statements[MAKE_DUE], PARAMETERS(NULL), NULL);
}

enum fail
stripe_sweep_last(struct operation *operation, const char *name, struct instant *out)
{
	struct sweep_row row = {0};
	bool found;

	TRY(db_row(operation->db, operation->task, &statements[READ], PARAMETERS(name), &row,
	           &found));
	*out = row.complete_to;
	return FAIL_NONE;
}
