/* fold.c: adds what reports left in usage_pending to the sums, many at a time. */
#include "counting/fold.h"

#include <string.h>

#include "base/random.h"
#include "counting/lost.h"

/* A step's transaction holds the locks of its customers, for which only corrections wait. */
enum { ROWS_AT_ONCE = USAGE_FOLD_ROWS_MAX, DAYS_AT_ONCE = 1000, CUSTOMERS_AT_ONCE = 20 };

_Static_assert((int)USAGE_LOST_MAX >= (int)ROWS_AT_ONCE,
               "each instance that is folded as lost gets its event");

struct customer_list {
	struct string_list customers;
};

/* customer_id is NULL where nothing has to be counted anew. */
struct folded_row {
	int64_t taken;
	int64_t added;
	const char *customer_id;
	const char *instance_id;
	const char *day;
};

/* Some days; `customers` and `days` are equally long. */
struct backfill_days {
	struct string_list customers;
	struct string_list days;
};

struct backfill_state {
	bool folded; /* the instances of all customers are */
};

extern const char counting_fold_sql[];          /* fold.sql */
extern const char counting_fold_pick_sql[];     /* fold_pick.sql */
extern const char counting_recount_sql[];       /* recount.sql */
extern const char counting_backfill_sql[];      /* backfill.sql */
extern const char counting_backfill_pick_sql[]; /* backfill_pick.sql */

enum {
	PICK,
	LOCK,
	FOLD,
	MAKE_CUSTOMER,
	MAKE_CUSTOMERS,
	LOCK_CUSTOMER,
	MAKE_DAY,
	LOCK_DAY,
	RECOUNT,
	LOCK_BACKFILL,
	PICK_BACKFILL,
	WAIT,
	END_PICKED,
	BACKFILL,
	COUNT_BACKFILL,
	END_BACKFILL,
	FIGURES
};

static const struct statement statements[] = {
        [PICK] = {"usage_fold_pick", ROWS_WITH(struct customer_list, customers),
                  .sql = counting_fold_pick_sql},
        [LOCK] = {"usage_fold_lock", ROWS_WITH(struct customer_list, customers),
                  .sql = "SELECT array_agg(customer_id ORDER BY customer_id < $2, customer_id) "
                         "AS customers FROM (SELECT customer_id "
                         "FROM usage_fleets WHERE customer_id = ANY ($1::text[]) "
                         "ORDER BY customer_id FOR UPDATE SKIP LOCKED) f"},
        [FOLD] = {"usage_fold",
                  ROWS_WITH(struct folded_row, taken, added, customer_id, instance_id, day),
                  .sql = counting_fold_sql},
        [MAKE_CUSTOMER] = {"usage_recount_make_customer",
                           .sql = "INSERT INTO usage_fleets (customer_id) VALUES ($1) "
                                  "ON CONFLICT DO NOTHING"},
        [MAKE_CUSTOMERS] = {"usage_fold_make_customers",
                            .sql = "INSERT INTO usage_fleets (customer_id) "
                                   "SELECT customer_id FROM unnest($1::text[]) "
                                   "AS c (customer_id) ORDER BY 1 ON CONFLICT DO NOTHING"},
        [LOCK_CUSTOMER] = {"usage_recount_lock_customer",
                           .sql = "SELECT FROM usage_fleets WHERE customer_id = $1 "
                                  "FOR UPDATE"},
        [MAKE_DAY] = {"usage_recount_make_day",
                      .sql = "INSERT INTO usage_daily (customer_id, day, instance_id, reports, "
                             "active_devices_max, active_devices_sum, total_devices_max, "
                             "total_devices_sum) VALUES ($1, $3::date, $2, 0, 0, 0, 0, 0) "
                             "ON CONFLICT DO NOTHING"},
        [LOCK_DAY] = {"usage_recount_lock_day",
                      .sql = "SELECT FROM usage_daily WHERE customer_id = $1 "
                             "AND instance_id = $2 AND day = $3::date FOR UPDATE"},
        [RECOUNT] = {"usage_recount", .sql = counting_recount_sql},
        [LOCK_BACKFILL] = {"usage_backfill_lock", ROWS_WITH(struct backfill_state, folded),
                           .sql = "SELECT folded_until IS NULL AS folded FROM usage_backfill "
                                  "WHERE NOT done FOR UPDATE SKIP LOCKED"},
        [PICK_BACKFILL] = {"usage_backfill_pick", ROWS_WITH(struct customer_list, customers),
                           .sql = counting_backfill_pick_sql},
        [WAIT] = {"usage_backfill_wait",
                  .sql = "SELECT FROM usage_fleets WHERE customer_id = ANY ($1::text[]) "
                         "ORDER BY customer_id FOR UPDATE"},
        [END_PICKED] = {"usage_backfill_folded",
                        .sql = "UPDATE usage_backfill SET folded_until = $1"},
        [BACKFILL] = {"usage_backfill", ROWS_WITH(struct backfill_days, customers, days),
                      .sql = counting_backfill_sql},
        [COUNT_BACKFILL] = {"usage_backfill_count",
                            .sql = "SELECT FROM (SELECT usage_days_count($1::text[], "
                                   "$2::date[]), usage_metrics_count($1::text[], "
                                   "$2::date[])) c"},
        [END_BACKFILL] = {"usage_backfill_end",
                          .sql = "UPDATE usage_backfill SET customer_id = COALESCE($1, "
                                 "customer_id), day = COALESCE($2::date, day), "
                                 "done = $1 IS NULL"},
        [FIGURES] = {"usage_figures", ROWS_WITH(struct usage_figures, pending, pending_since),
                     .sql = "SELECT count(*) AS pending, min(received_at) AS pending_since "
                            "FROM usage_pending"},
};

const struct statement_list usage_fold_statements = STATEMENT_LIST(statements);

static enum fail
run(struct operation *operation, int statement, struct parameters parameters)
{
	return db_run(operation->db, operation->task, &statements[statement], parameters, NULL);
}

static enum fail
row(struct operation *operation, int statement, struct parameters parameters, void *out)
{
	bool found;

	return db_row(operation->db, operation->task, &statements[statement], parameters, out,
	              &found);
}

/* The customer's row in usage_fleets is locked. */
static enum fail
recount_day(struct operation *operation, const char *customer_id, const char *instance_id,
            const char *day)
{
	struct parameters parameters = PARAMETERS(customer_id, instance_id, day);

	TRY(run(operation, MAKE_DAY, parameters));
	TRY(run(operation, LOCK_DAY, parameters));
	return run(operation, RECOUNT, parameters);
}

enum fail
usage_recount(struct operation *operation, const char *customer_id, const char *instance_id,
              struct instant at)
{
	char time[CLOCK_TEXT_SIZE];

	clock_format(at.ms, time);
	time[strlen("2025-02-15")] = '\0';
	TRY(run(operation, MAKE_CUSTOMER, PARAMETERS(customer_id)));
	TRY(run(operation, LOCK_CUSTOMER, PARAMETERS(customer_id)));
	return recount_day(operation, customer_id, instance_id, time);
}

static enum fail
fold(struct operation *operation, const struct string_list *customers,
     const struct lost_instances *lost, int64_t *done)
{
	struct task *task = operation->task;
	const struct folded_row *rows;
	size_t count;

	TRY(db_rows(operation->db, task, &statements[FOLD],
	            PARAMETERS(param_list(task, customers), param_int(task, ROWS_AT_ONCE),
	                       param_now(operation), param_list(task, &lost->busy_customers),
	                       param_list(task, &lost->busy_instances)),
	            (void *)&rows, &count));
	for (size_t i = 0; i < count; i++)
		if (rows[i].customer_id != NULL)
			TRY(recount_day(operation, rows[i].customer_id, rows[i].instance_id,
			                rows[i].day));
	*done = rows[0].taken;
	return FAIL_NONE;
}

/* Each step begins with another customer and gives each an equal share, so that one of whom very
 * much is pending does not keep the others waiting. */
enum fail
usage_fold_run(struct operation *operation, int64_t *done)
{
	struct task *task = operation->task;
	struct customer_list picked = {0}, locked = {0};
	struct lost_instances lost;
	const char *first = random_id(task->arena, "cust_", 16);

	TRY(db_begin(operation->db, task));
	TRY(row(operation, PICK,
	        PARAMETERS(first, param_int(task, ROWS_AT_ONCE), param_now(operation)),
	        &picked));
	if (picked.customers.count == 0)
		return FAIL_NONE;
	TRY(row(operation, LOCK, PARAMETERS(param_list(task, &picked.customers), first),
	        &locked));
	if (locked.customers.count == 0)
		return FAIL_NONE;
	TRY(usage_lost_find(operation, &locked.customers, &lost));
	TRY(fold(operation, &locked.customers, &lost, done));
	TRY(usage_lost_tell(operation, &lost));
	return db_commit(operation->db, task);
}

enum fail
usage_fold_customers(struct operation *operation, const struct string_list *customers)
{
	const char *list = param_list(operation->task, customers);
	struct lost_instances none = {0};
	int64_t folded = ROWS_AT_ONCE;

	TRY(run(operation, MAKE_CUSTOMERS, PARAMETERS(list)));
	TRY(run(operation, WAIT, PARAMETERS(list)));
	while (folded == ROWS_AT_ONCE)
		TRY(fold(operation, customers, &none, &folded));
	return FAIL_NONE;
}

/* The last item, or NULL. */
static const char *
last(const struct string_list *list)
{
	return list->count == 0 ? NULL : list->items[list->count - 1];
}

/* Folds the instances of some further customers. */
static enum fail
backfill_fleets(struct operation *operation, int64_t *done)
{
	struct task *task = operation->task;
	struct customer_list next = {0};
	struct lost_instances none = {0};
	int64_t folded;

	TRY(row(operation, PICK_BACKFILL, PARAMETERS(param_int(task, CUSTOMERS_AT_ONCE)),
	        &next));
	if (next.customers.count > 0) {
		TRY(run(operation, WAIT, PARAMETERS(param_list(task, &next.customers))));
		TRY(fold(operation, &next.customers, &none, &folded));
	}
	*done = 1;
	return run(operation, END_PICKED, PARAMETERS(last(&next.customers)));
}

static enum fail
backfill_days(struct operation *operation, int64_t *done)
{
	struct task *task = operation->task;
	struct backfill_days next = {0};

	TRY(row(operation, BACKFILL, PARAMETERS(param_int(task, DAYS_AT_ONCE)), &next));
	if (next.days.count > 0)
		TRY(run(operation, COUNT_BACKFILL,
		        PARAMETERS(param_list(task, &next.customers),
		                   param_list(task, &next.days))));
	*done = (int64_t)next.days.count;
	return run(operation, END_BACKFILL,
	           PARAMETERS(last(&next.customers), last(&next.days)));
}

enum fail
usage_backfill_run(struct operation *operation, int64_t *done)
{
	struct task *task = operation->task;
	struct backfill_state state;
	bool found;

	TRY(db_begin(operation->db, task));
	TRY(db_row(operation->db, task, &statements[LOCK_BACKFILL], NO_PARAMETERS, &state,
	           &found));
	if (!found)
		return FAIL_NONE;
	if (state.folded)
		TRY(backfill_days(operation, done));
	else
		TRY(backfill_fleets(operation, done));
	return db_commit(operation->db, task);
}

enum fail
usage_figures(struct operation *operation, struct usage_figures *out)
{
	*out = (struct usage_figures){0};
	return row(operation, FIGURES, NO_PARAMETERS, out);
}
