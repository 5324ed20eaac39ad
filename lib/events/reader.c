/* reader.c: reads the log of events in the order of commit. */
#include "events/reader.h"

#include <string.h>

#include "base/arena.h"
#include "base/text.h"

#define EVENT                                                                                  \
	ROWS_WITH(struct event, position, number, event_id, type, customer_id, sequence,       \
	          created_at, data)
#define EVENT_COLUMNS                                                                          \
	"position, number, 'evt_' || replace(event_id::text, '-', '') AS event_id, type, "     \
	"customer_id, sequence, created_at, data::text AS data "

/* As event_horizon(), which is computed once so. */
#define HORIZON_NOW                                                                            \
	"(SELECT base + pg_snapshot_xmin(pg_current_snapshot())::text::bigint FROM "           \
	"event_clock) "

/* $1, $2 the cursor  $3 limit  $4, $5 time  $6 types, NULL for all. With the inner limit the planner
 * knows that few rows are read. */
#define PAGE(is_behind, order, condition)                                                      \
	"SELECT " EVENT_COLUMNS "FROM (SELECT position, number, event_id, type, customer_id, " \
	"sequence, created_at, data FROM events "                                              \
	"WHERE (position, number) " is_behind " ($1::bigint, $2::bigint) "                     \
	"AND position < " HORIZON_NOW                                                          \
	"AND created_at >= COALESCE($4::timestamptz, '-infinity') "                            \
	"AND created_at < COALESCE($5::timestamptz, 'infinity') "                              \
	"AND ($6::text[] IS NULL OR type = ANY ($6)) " condition "ORDER BY " order             \
	" LIMIT 1001) AS due ORDER BY " order " LIMIT $3::bigint"
#define OLDEST_FIRST(condition) PAGE(">", "position, number", condition)
#define NEWEST_FIRST(condition) PAGE("<", "position DESC, number DESC", condition)

#define ONE_CUSTOMER "AND customer_id = $7 "
#define ONE_TYPE "AND type = $7 "
#define ONE_OF_BOTH "AND customer_id = $7 AND type = $8 "

/* By the narrowest filter that is given, each of which has an index; FILTERS further on the newest
 * first. */
enum { ALL, OF_CUSTOMER, OF_TYPE, OF_BOTH, FILTERS, FIND = 2 * FILTERS, NOW };

static const struct statement statements[] = {
        [ALL] = {"event_page", EVENT, .sql = OLDEST_FIRST("")},
        [OF_CUSTOMER] = {"event_page_of_customer", EVENT, .sql = OLDEST_FIRST(ONE_CUSTOMER)},
        [OF_TYPE] = {"event_page_of_type", EVENT, .sql = OLDEST_FIRST(ONE_TYPE)},
        [OF_BOTH] = {"event_page_of_both", EVENT, .sql = OLDEST_FIRST(ONE_OF_BOTH)},
        [FILTERS + ALL] = {"event_newest", EVENT, .sql = NEWEST_FIRST("")},
        [FILTERS + OF_CUSTOMER] = {"event_newest_of_customer", EVENT,
                                   .sql = NEWEST_FIRST(ONE_CUSTOMER)},
        [FILTERS + OF_TYPE] = {"event_newest_of_type", EVENT, .sql = NEWEST_FIRST(ONE_TYPE)},
        [FILTERS + OF_BOTH] = {"event_newest_of_both", EVENT, .sql = NEWEST_FIRST(ONE_OF_BOTH)},
        [FIND] = {"event_find", EVENT,
                  .sql = "SELECT " EVENT_COLUMNS "FROM events WHERE event_id = $1::uuid"},
        [NOW] = {"event_cursor_now", ROWS_WITH(struct event_cursor, position, number),
                 .sql = "SELECT " HORIZON_NOW "- 1 AS position, "
                        "9223372036854775807::bigint AS number"},
};

const struct statement_list event_reader_statements = STATEMENT_LIST(statements);

/* The types that a customer may see. */
static const char *
customers_types(struct task *task)
{
	const char *names[EVENT_TYPES];
	struct string_list list = {.items = names};

	for (size_t i = 0; i < EVENT_TYPES; i++)
		if (event_type_is_customers((enum event_type)i))
			names[list.count++] = event_type_name((enum event_type)i);
	return param_list(task, &list);
}

enum fail
event_batch(struct operation *operation, const struct event_filter *filter,
            struct event_cursor behind, int64_t limit, const struct event **out, size_t *count)
{
	struct task *task = operation->task;
	const char *customer_id = filter->customer_id, *type = filter->type;
	int statement = customer_id != NULL ? (type != NULL ? OF_BOTH : OF_CUSTOMER)
	                : type != NULL      ? OF_TYPE
	                                    : ALL;
	const char *values[] = {
	        param_int(task, behind.position),
	        param_int(task, behind.number),
	        param_int(task, limit),
	        param_time(task, filter->from),
	        param_time(task, filter->to),
	        filter->customers_only ? customers_types(task) : NULL,
	        customer_id != NULL ? customer_id : type,
	        type,
	};
	const size_t given[] = {[ALL] = 6, [OF_CUSTOMER] = 7, [OF_TYPE] = 7, [OF_BOTH] = 8};

	return db_rows(operation->db, task,
	               &statements[statement + (filter->newest_first ? FILTERS : 0)],
	               (struct parameters){values, given[statement]}, (void *)out, count);
}

static const char *
cursor_of(struct task *task, const struct event *event)
{
	return page_cursor(task, INSTANT_MS(event->position), param_int(task, event->number));
}

enum fail
event_cursor_read(struct task *task, const struct page *page, struct event_cursor *out)
{
	*out = (struct event_cursor){0};
	if (page->id == NULL)
		return FAIL_NONE;
	out->position = page->at.ms;
	return text_parse_int(page->id, &out->number) ? FAIL_NONE : page_fail(task);
}

enum fail
event_page(struct operation *operation, const struct event_filter *filter, struct page *page,
           const struct event **out, size_t *count, const char **last)
{
	struct task *task = operation->task;
	struct event_cursor behind = {0};
	bool more;

	*last = NULL;
	TRY(event_cursor_read(task, page, &behind));
	if (page->id != NULL)
		*last = page_cursor(task, page->at, page->id);
	else if (filter->newest_first)
		behind = (struct event_cursor){INT64_MAX, INT64_MAX};
	TRY(event_batch(operation, filter, behind, page->limit + 1, out, count));
	more = page_has_next(page, count);
	if (*count > 0)
		*last = cursor_of(task, &(*out)[*count - 1]);
	page->next = more ? *last : NULL;
	return FAIL_NONE;
}

enum fail
fail_event_not_found(struct task *task)
{
	return task_fail(task, FAIL_NOT_FOUND, "event_not_found", "There is no such event.");
}

enum fail
event_find(struct operation *operation, const char *event_id, struct event *out)
{
	static const char prefix[] = "evt_";
	const char *digits = event_id + sizeof(prefix) - 1;
	bool found = false;

	if (text_starts_with(event_id, prefix) && strlen(digits) == 32 &&
	    strspn(digits, "0123456789abcdef") == 32)
		TRY(db_row(operation->db, operation->task, &statements[FIND],
		           PARAMETERS(digits), out, &found));
	return found ? FAIL_NONE : fail_event_not_found(operation->task);
}

enum fail
event_cursor_now(struct operation *operation, struct event_cursor *out)
{
	bool found;

	return db_row(operation->db, operation->task, &statements[NOW], NO_PARAMETERS, out,
	              &found);
}

void
event_render(struct json_out *json, const char *name, const struct event *event)
{
	json_out_open(json, name, '{');
	json_out_string(json, "id", event->event_id);
	json_out_string(json, "type", event->type);
	json_out_string(json, "customer_id", event->customer_id);
	json_out_int(json, "sequence", event->sequence);
	json_out_time(json, "created_at", event->created_at);
	json_out_raw(json, "data", event->data);
	json_out_close(json, '}');
}
