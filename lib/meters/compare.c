/* compare.c: compares the use that was sent with what Stripe has counted. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/random.h"
#include "base/text.h"
#include "meters/meters.h"
#include "outbox/fetch.h"
#include "stripe/form.h"
#include "sync/objects.h"
#include "json/view.h"

enum { PAIRS_AT_ONCE = 20, DAYS = 36, METERS_MAX = 100 };

#define COMPARE_EVERY_MS DAY_MS
/* Stripe counts a little after it accepts. */
#define COUNTED_AFTER_MS HOUR_MS

/* One customer's use by one meter. */
struct pair {
	const char *customer_id;
	const char *stripe_customer_id;
	const char *event_name;
};

/* The sums of what was sent for one day, by what is known about it. */
struct sent_day {
	const char *day;
	int64_t starts_at_s;
	const char *sent;
	const char *unknown; /* Stripe may have counted it */
	const char *both;
	const char *worth; /* with what is parked */
	bool open;         /* not to be compared yet: some of it is being sent */
};

#define UNKNOWN "(state = 'parked' AND error = 'outcome_unknown')"
#define OF_DAY "WHERE customer_id = $1 AND event_name = $2 AND day = $3::date AND " UNKNOWN

enum { PAIRS, SENT_DAYS, WAS_COUNTED, FORGET, AGAIN };

extern const char meters_sent_days_sql[]; /* sent_days.sql */

static const struct statement statements[] = {
        [PAIRS] = {"meter_pairs",
                   ROWS_WITH(struct pair, customer_id, stripe_customer_id, event_name),
                   .sql = "SELECT DISTINCT customer_id, stripe_customer_id, event_name "
                          "FROM meter_events WHERE day >= ($1::timestamptz AT TIME ZONE "
                          "'UTC')::date - $2::integer AND (customer_id, event_name) > ($3, $4) "
                          "ORDER BY customer_id, event_name LIMIT $5::bigint"},
        [SENT_DAYS] = {"meter_sent_days",
                       ROWS_WITH(struct sent_day, day, starts_at_s, sent, unknown, both, worth,
                                 open),
                       .sql = meters_sent_days_sql},
        [WAS_COUNTED] = {"meter_was_counted",
                         .sql = "UPDATE meter_events SET state = 'sent', can_cancel = false, "
                                "sent_at = first_try_at, error = NULL " OF_DAY},
        [FORGET] = {"meter_forget", .sql = "UPDATE meter_events SET state = 'canceled', "
                                           "error = 'not_counted' " OF_DAY},
        /* With another identifier: Stripe may still know the first one. */
        [AGAIN] = {"meter_again",
                   .sql = "INSERT INTO meter_events (meter_event_id, customer_id, "
                          "stripe_customer_id, day, metric, event_name, value, state, "
                          "created_at, next_try_at) "
                          "SELECT $4, customer_id, max(stripe_customer_id), day, metric, "
                          "event_name, sum(value), 'pending', $5::timestamptz, "
                          "$5::timestamptz FROM meter_events " OF_DAY
                          " GROUP BY customer_id, day, metric, event_name"},
};

const struct statement_list meter_compare_statements = STATEMENT_LIST(statements);

/* The meter that counts events of that name, or NULL. */
static const char *
meter_of(const struct json_view *meters, const char *event_name)
{
	struct json_view meter;
	for (bool more = json_view_first(meters, &meter); more; more = json_view_next(&meter)) {
		const char *name, *id;

		if (json_view_string(&meter, "event_name", &name) &&
		    json_view_string(&meter, "id", &id) && strcmp(name, event_name) == 0)
			return id;
	}
	return NULL;
}

/* Fetches Stripe's count for the day that starts then. */
static double
counted(const struct json_view *summaries, int64_t starts_at_s)
{
	struct json_view summary;
	for (bool more = json_view_first(summaries, &summary); more;
	     more = json_view_next(&summary)) {
		struct json_view value;
		double sum;
		int64_t start;

		if (json_view_int(&summary, "start_time", &start) && start == starts_at_s &&
		    json_view_member(&summary, "aggregated_value", &value))
			return json_view_double(&value, &sum) ? sum : 0;
	}
	return 0;
}

/* Stripe's sums are JSON numbers, which are exact up to 2^53. */
static bool
same(const char *ours, double theirs)
{
	double value = strtod(ours, NULL);

	return fabs(value - theirs) <= fabs(value) * 1e-12;
}

static enum fail
change_day(struct operation *operation, int statement, const struct pair *pair,
           const struct sent_day *day)
{
	return db_run(operation->db, operation->task, &statements[statement],
	              PARAMETERS(pair->customer_id, pair->event_name, day->day), NULL);
}

/* Stripe has not counted it: it is sent as a new event. */
static enum fail
send_again(struct operation *operation, const struct pair *pair, const struct sent_day *day)
{
	struct task *task = operation->task;

	TRY(db_run(operation->db, task, &statements[AGAIN],
	           PARAMETERS(pair->customer_id, pair->event_name, day->day,
	                      random_id(task->arena, "mev_", 16), param_now(operation)),
	           NULL));
	return change_day(operation, FORGET, pair, day);
}

static enum fail
compare_day(struct operation *operation, struct stripe_sweep *sweep, const struct pair *pair,
            const struct sent_day *day, double theirs)
{
	struct arena *arena = operation->task->arena;
	bool unknown = strcmp(day->unknown, "0") != 0;

	if (day->open)
		return FAIL_NONE;
	if (unknown && !sweep->dry_run && same(day->both, theirs))
		return change_day(operation, WAS_COUNTED, pair, day);
	if (unknown && !sweep->dry_run && same(day->sent, theirs))
		return send_again(operation, pair, day);
	if (same(day->worth, theirs))
		return FAIL_NONE;
	sweep->differences++;
	sweep->reporter.report(
	        &(struct stripe_difference){
	                .what = "meter",
	                .id = arena_printf(arena, "%s %s", pair->event_name, day->day),
	                .customer_id = pair->customer_id,
	                .ours = day->worth,
	                .theirs = arena_printf(arena, "%.0f", theirs)},
	        sweep->reporter.closure);
	return FAIL_NONE;
}

static enum fail
compare_pair(struct operation *operation, struct stripe_sweep *sweep, const struct pair *pair,
             const char *meter)
{
	struct task *task = operation->task;
	struct stripe_form form = stripe_form_new(task->arena);
	int64_t today_s = operation->now_ms / DAY_MS * (DAY_MS / SECOND_MS);
	struct json_view summaries;
	const struct sent_day *days;
	size_t count;

	stripe_form_string(&form, "customer", pair->stripe_customer_id);
	stripe_form_int(&form, "start_time", today_s - DAYS * (DAY_MS / SECOND_MS));
	stripe_form_int(&form, "end_time", today_s + DAY_MS / SECOND_MS);
	stripe_form_string(&form, "value_grouping_window", "day");
	stripe_form_int(&form, "limit", 100);
	TRY(stripe_fetch_list(operation, "/v1/billing/meters/%s/event_summaries", meter,
	                      form.text.data, &summaries, NULL));
	TRY(db_rows(operation->db, task, &statements[SENT_DAYS],
	            PARAMETERS(pair->customer_id, pair->event_name, param_now(operation),
	                       param_in(operation, -COUNTED_AFTER_MS),
	                       param_int(task, DAYS - 1)),
	            (void *)&days, &count));
	for (size_t i = 0; i < count; i++)
		TRY(compare_day(operation, sweep, pair, &days[i],
		                counted(&summaries, days[i].starts_at_s)));
	return FAIL_NONE;
}

/* Reports use that is not counted at all, as Stripe lacks its meter or its customer. */
static enum fail
report_uncounted(struct stripe_sweep *sweep, const struct pair *pair, const char *what)
{
	sweep->differences++;
	sweep->reporter.report(&(struct stripe_difference){.what = what,
	                                                   .id = pair->event_name,
	                                                   .customer_id = pair->customer_id,
	                                                   .ours = pair->stripe_customer_id},
	                       sweep->reporter.closure);
	return FAIL_NONE;
}

static enum fail
compare_listed(struct operation *operation, struct stripe_sweep *sweep,
               const struct json_view *meters, const struct pair *pair)
{
	const char *meter = meter_of(meters, pair->event_name);
	enum fail kind;

	if (meter == NULL)
		return report_uncounted(sweep, pair, "missing_meter");
	kind = compare_pair(operation, sweep, pair, meter);
	if (kind != FAIL_NOT_FOUND)
		return kind;
	task_clear(operation->task);
	return report_uncounted(sweep, pair, "missing_customer");
}

enum fail
meter_compare(struct operation *operation, struct stripe_sweep *sweep)
{
	struct task *task = operation->task;
	struct stripe_form form = stripe_form_new(task->arena);
	char *after = arena_copy(task->arena, sweep->after);
	char *space = strchr(after, ' ');
	struct json_view meters;
	const struct pair *pairs;
	size_t count;

	if (space != NULL)
		*space = '\0';
	TRY(db_rows(operation->db, task, &statements[PAIRS],
	            PARAMETERS(param_now(operation), param_int(task, DAYS - 1), after,
	                       space == NULL ? "" : space + 1, param_int(task, PAIRS_AT_ONCE)),
	            (void *)&pairs, &count));
	sweep->finished = count < PAIRS_AT_ONCE;
	if (count == 0)
		return FAIL_NONE;
	stripe_form_string(&form, "status", "active");
	stripe_form_int(&form, "limit", METERS_MAX);
	TRY(stripe_fetch_list(operation, "/v1/billing/meters", NULL, form.text.data, &meters,
	                      NULL));
	for (size_t i = 0; i < count; i++)
		TRY(compare_listed(operation, sweep, &meters, &pairs[i]));
	(void)snprintf(sweep->after, sizeof(sweep->after), "%s %s",
	               pairs[count - 1].customer_id, pairs[count - 1].event_name);
	return FAIL_NONE;
}

enum fail
meter_run_compare(struct operation *operation, int64_t *done)
{
	if (operation->stripe == NULL)
		return FAIL_NONE;
	return stripe_sweep_run(operation, "meters", COMPARE_EVERY_MS, meter_compare, done);
}
