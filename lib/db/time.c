/* time.c: the time by PostgreSQL's clock, so that all hosts of a database have the same,
 * whatever their own clocks say. */
#include <stdlib.h>

#include "base/clock.h"
#include "db/internal.h"

/* Two synchronized clocks drift apart by less than a millisecond in this time. */
static const int64_t keep_us = 60000000;
/* A larger difference means that our clock was set, or that this machine was suspended. */
static const int64_t jump_ms = 1000;
/* How long a reading may take for which no request waits. */
static const int64_t patience_us = 1000000;
/* A reading errs by up to half of the time that it takes. One that takes longer than this is repeated: two
 * processes whose clocks differ may take a release for later than the report that follows it. */
static const int64_t exact_us = 1000;
enum { READINGS_MAX = 3 };

struct clock_row {
	struct instant now;
};

static const struct statement own_statements[] = {
        {"db_clock", ROWS_WITH(struct clock_row, now),
         .sql = "SELECT clock_timestamp() AS now"},
};

const struct statement_list db_statements = {own_statements, 1};

static enum fail
read_clock(struct db *db, struct task *task, struct clock_row *row, int64_t *took_us)
{
	int64_t start_us = clock_monotonic_us();
	bool found;

	TRY(db_row(db, task, &own_statements[0], NO_PARAMETERS, row, &found));
	*took_us = clock_monotonic_us() - start_us;
	return FAIL_NONE;
}

enum fail
db_clock(struct db *db, struct task *task, struct instant *out)
{
	int64_t took_us = INT64_MAX, least_us = INT64_MAX;
	struct clock_row row = {.now = INSTANT_NONE};

	for (int i = 0; i < READINGS_MAX && least_us > exact_us; i++) {
		TRY(read_clock(db, task, &row, &took_us));
		if (took_us >= least_us)
			continue;
		least_us = took_us;
		db->time = (struct db_time){
		        .known = true,
		        .ms = row.now.ms,
		        .own_ms = clock_now_ms(),
		        .read_us = clock_monotonic_us() - took_us / 2,
		};
	}
	*out = row.now;
	return FAIL_NONE;
}

int64_t
db_now_ms(const struct db *db)
{
	if (!db->time.known)
		return clock_now_ms();
	return db->time.ms + (clock_monotonic_us() - db->time.read_us) / 1000;
}

static bool
is_due(const struct db_time *time)
{
	int64_t passed_us = clock_monotonic_us() - time->read_us;
	int64_t own_passed_ms = clock_now_ms() - time->own_ms;

	return !time->known || time->stale || passed_us > keep_us ||
	       llabs(own_passed_ms - passed_us / 1000) > jump_ms;
}

void
db_refresh_clock(struct db *db, struct task *task)
{
	int64_t deadline_us = db->deadline_us, waited_us = db->waited_us;
	struct instant now;

	if (db->connection == NULL || db->depth > 0 || !is_due(&db->time))
		return;
	db->deadline_us = clock_monotonic_us() + patience_us;
	if (db_clock(db, task, &now) != FAIL_NONE)
		task_clear(task);
	db->deadline_us = deadline_us;
	db->waited_us = waited_us;
}
