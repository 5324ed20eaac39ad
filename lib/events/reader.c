/* reader.c: reads the log of events in the order of commit. */
#include "events/reader.h"

#include <string.h>

#include "base/arena.h"
#include "base/text.h"

#define EVENT                                                                                  \
	ROWS_WITH(struct event, position, number, event_id, type, customer_id, sequence,       \
	          created_at, data, wanted, ends)
#define STORED "position, number, event_id, type, customer_id, sequence, created_at, data"
#define EVENT_COLUMNS                                                                          \
	"position, number, 'evt_' || replace(event_id::text, '-', '') AS event_id, type, "     \
	"customer_id, sequence, created_at, data::text AS data, wanted, ends "
#define ALL_WANTED ", true AS wanted, false AS ends "

/* As event_horizon(), which is computed once so. */
#define HORIZON_NOW                                                                            \
	"(SELECT base + pg_snapshot_xmin(pg_current_snapshot())::text::bigint FROM "           \
	"event_clock) "

/* $1, $2 the cursor  $3 limit  $4 the customer, or the type without one  $5 rows of a walk
 * $6 types, NULL for all  $7 the type beside the customer. `is_behind` and `desc` are the
 * direction.
 *
 * The planner knows neither the keys nor the limits that are in a SELECT of their own. Whatever its
 * statistics, it then reads an index in order up to the limit, and sorts no rows. */
#define CURSOR "$1::bigint, $2::bigint"
#define KEY "(SELECT $4::text)"
#define SECOND_KEY "(SELECT $7::text)"

#define IN_ORDER(key, value, place, most, is_behind, desc)                                     \
	"SELECT " STORED " FROM events "                                                       \
	"WHERE (" key ", position, number) " is_behind " (" value ", " place ") "              \
	"AND " key " >= " value " AND (" key ", position) < (" value ", " HORIZON_NOW ") "     \
	"ORDER BY " key desc ", position" desc ", number" desc " LIMIT (SELECT " most          \
	"::bigint)"

/* Reads at most $5 rows, however few are wanted. The last row is given also when it is not wanted: the next
 * page goes on behind it, and a reader that asks again at the end reads no row twice. */
#define WALK(key, value, place, condition, is_behind, desc)                                    \
	"SELECT " STORED ", wanted, ends FROM (SELECT " STORED ", " condition " AS wanted, "   \
	"row_number() OVER () = $5::bigint AS ends, lead(position) OVER () IS NULL AS last "   \
	"FROM (" IN_ORDER(key, value, place, "$5", is_behind,                                  \
	                  desc) ") AS walked) AS judged WHERE wanted OR last LIMIT $3::bigint"
#define OF_TYPES "($6::text[] IS NULL OR type = ANY ($6))"
#define CUSTOMERS_WALK(is_behind, desc)                                                        \
	WALK("customer_id", KEY, CURSOR, OF_TYPES, is_behind, desc)
#define TYPES_WALK(is_behind, desc)                                                            \
	WALK("type", SECOND_KEY, "last_position, last_number",                                 \
	     "customer_id = $4::text AND " OF_TYPES, is_behind, desc)

#define PAGE(rows, desc)                                                                       \
	"SELECT " EVENT_COLUMNS "FROM (" rows ") AS due "                                      \
	"ORDER BY position" desc ", number" desc " LIMIT $3::bigint"

#define PAGE_OF_ALL(is_behind, desc)                                                           \
	PAGE("SELECT " STORED ALL_WANTED "FROM events "                                        \
	     "WHERE (position, number) " is_behind " (" CURSOR ") "                            \
	     "AND position < " HORIZON_NOW "ORDER BY position" desc ", number" desc            \
	     " LIMIT (SELECT $3::bigint)",                                                     \
	     desc)
#define PAGE_OF_TYPE(is_behind, desc)                                                          \
	PAGE("SELECT " STORED ALL_WANTED                                                       \
	     "FROM (" IN_ORDER("type", KEY, CURSOR, "$3", is_behind, desc) ") AS read",        \
	     desc)
#define PAGE_OF_CUSTOMER(is_behind, desc) PAGE(CUSTOMERS_WALK(is_behind, desc), desc)

/* Reads the customer's events, and from the end of that walk on those of the type: a rare type of a large
 * customer is found by the second walk, a common type of a small customer by the first. */
#define FIRST_WALK(is_behind, desc)                                                            \
	"of_customer AS MATERIALIZED (" CUSTOMERS_WALK(is_behind, desc) ") "
#define SECOND_WALK(is_behind, desc)                                                           \
	"of_type AS MATERIALIZED (SELECT " STORED ", wanted, of_type.ends "                    \
	"FROM (SELECT position AS last_position, number AS last_number FROM of_customer "      \
	"WHERE ends) AS reached "                                                              \
	"CROSS JOIN LATERAL (" TYPES_WALK(is_behind, desc) ") AS of_type) "
#define OF_WALKS                                                                               \
	"SELECT " STORED ", wanted, false AS ends FROM of_customer "                           \
	"WHERE wanted OR NOT EXISTS (SELECT FROM of_type) "                                    \
	"UNION ALL SELECT " STORED ", wanted, ends FROM of_type"
#define PAGE_OF_BOTH(is_behind, desc)                                                          \
	"WITH " FIRST_WALK(is_behind, desc) ", " SECOND_WALK(is_behind, desc)                  \
	        PAGE(OF_WALKS, desc)

#define OLDEST(page) page(">", "")
#define NEWEST(page) page("<", " DESC")

/* By the filters that are given; FILTERS further on the newest first. */
enum { ALL, OF_TYPE, OF_CUSTOMER, OF_BOTH, FILTERS, FIND = 2 * FILTERS, NOW };

static const struct statement statements[] = {
        [ALL] = {"event_page", EVENT, .sql = OLDEST(PAGE_OF_ALL)},
        [OF_TYPE] = {"event_page_of_type", EVENT, .sql = OLDEST(PAGE_OF_TYPE)},
        [OF_CUSTOMER] = {"event_page_of_customer", EVENT, .sql = OLDEST(PAGE_OF_CUSTOMER)},
        [OF_BOTH] = {"event_page_of_both", EVENT, .reads = true, .sql = OLDEST(PAGE_OF_BOTH)},
        [FILTERS + ALL] = {"event_newest", EVENT, .sql = NEWEST(PAGE_OF_ALL)},
        [FILTERS + OF_TYPE] = {"event_newest_of_type", EVENT, .sql = NEWEST(PAGE_OF_TYPE)},
        [FILTERS + OF_CUSTOMER] = {"event_newest_of_customer", EVENT,
                                   .sql = NEWEST(PAGE_OF_CUSTOMER)},
        [FILTERS + OF_BOTH] = {"event_newest_of_both", EVENT, .reads = true,
                               .sql = NEWEST(PAGE_OF_BOTH)},
        [FIND] = {"event_find", EVENT,
                  .sql = "SELECT " EVENT_COLUMNS "FROM (SELECT " STORED ALL_WANTED
                         "FROM events WHERE event_id = $1::uuid) AS found"},
        [NOW] = {"event_cursor_now", ROWS_WITH(struct event_cursor, position, number),
                 .sql = "SELECT " HORIZON_NOW "- 1 AS position, "
                        "9223372036854775807::bigint AS number"},
};

const struct statement_list event_reader_statements = STATEMENT_LIST(statements);

/* The types that the filter takes. NULL: all. */
static const char *
wanted_types(struct task *task, const struct event_filter *filter)
{
	const char *names[EVENT_TYPES];
	struct string_list list = {.items = names};

	if (filter->type == NULL && !filter->customers_only)
		return NULL;
	for (size_t i = 0; i < EVENT_TYPES; i++) {
		const char *name = event_type_name((enum event_type)i);

		if ((filter->type == NULL || strcmp(name, filter->type) == 0) &&
		    (!filter->customers_only || event_type_is_customers((enum event_type)i)))
			names[list.count++] = name;
	}
	return param_list(task, &list);
}

static struct event_cursor
place_of(const struct event *event)
{
	return (struct event_cursor){event->position, event->number};
}

/* Finds where the statement stopped reading, and takes off a row that only tells this place. */
static void
find_end(struct event_batch *batch, int64_t limit)
{
	const struct event *last;

	if (batch->count == 0)
		return;
	last = &batch->rows[batch->count - 1];
	batch->place = place_of(last);
	batch->more = last->ends || (last->wanted && batch->count == (size_t)limit);
	if (!last->wanted)
		batch->count--;
}

enum fail
event_batch_read(struct operation *operation, const struct event_filter *filter,
                 struct event_cursor behind, int64_t limit, struct event_batch *out)
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
	        customer_id != NULL ? customer_id : type,
	        param_int(task, EVENT_WALK_MAX),
	        wanted_types(task, filter),
	        type,
	};
	const size_t given[] = {[ALL] = 3, [OF_TYPE] = 4, [OF_CUSTOMER] = 6, [OF_BOTH] = 7};

	*out = (struct event_batch){.place = behind};
	TRY(db_rows(operation->db, task,
	            &statements[statement + (filter->newest_first ? FILTERS : 0)],
	            (struct parameters){values, given[statement]}, (void *)&out->rows,
	            &out->count));
	find_end(out, limit);
	return FAIL_NONE;
}

static const char *
cursor_of(struct task *task, struct event_cursor place)
{
	return page_cursor(task, INSTANT_MS(place.position), param_int(task, place.number));
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
	struct event_batch batch;

	*last = NULL;
	TRY(event_cursor_read(task, page, &behind));
	if (page->id != NULL)
		*last = page_cursor(task, page->at, page->id);
	else if (filter->newest_first)
		behind = (struct event_cursor){INT64_MAX, INT64_MAX};
	TRY(event_batch_read(operation, filter, behind, page->limit + 1, &batch));
	if (page_has_next(page, &batch.count))
		batch.place = place_of(&batch.rows[batch.count - 1]);
	if (batch.place.position != behind.position || batch.place.number != behind.number)
		*last = cursor_of(task, batch.place);
	page->next = batch.more ? *last : NULL;
	*out = batch.rows;
	*count = batch.count;
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
