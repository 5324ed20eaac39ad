/*
 * reader.h: reads the log of events in the order of commit.
 *
 * A reader that goes on from its cursor misses no event, however late it was committed. The events of
 * one customer come in the order of their sequence. While a transaction that writes is open anywhere
 * in the cluster, events that were written later wait for it.
 */
#pragma once

#include "db/page.h"
#include "events/catalogue.h"
#include "operation/operation.h"
#include "json/out.h"

extern const struct statement_list event_reader_statements;

/* The place behind an event; {0, 0} is the place before all. */
struct event_cursor {
	int64_t position;
	int64_t number;
};

struct event {
	int64_t position; /* both are its cursor */
	int64_t number;
	const char *event_id; /* "evt_..." */
	const char *type;
	const char *customer_id; /* NULL: it belongs to no customer */
	int64_t sequence;        /* of the customer's events, 1, 2, ... */
	struct instant created_at;
	const char *data; /* JSON text */
	bool wanted;      /* the filter takes it; of all events that a reader gets */
	bool ends;        /* the statement read so far and no farther */
};

/* Which events. A member that is NULL or unknown restricts nothing. */
struct event_filter {
	const char *type;
	const char *customer_id;
	bool customers_only; /* beside customer_id: only types that a customer may see */
	bool newest_first;   /* only events before the cursor are read, the newest first */
};

/* A page or batch reads so many events of the customer at most and, where the type is given too, as many of
 * the type. It has what was found until then: it can be short, or empty, and have a next one. */
enum { EVENT_WALK_MAX = 10000 };

/* A page of the log. `page` was read from a cursor of this list, or is the
 * first. `*last` is the cursor behind the last event that was read, wanted or not, which can be asked for at
 * any later time; NULL when there is none yet. */
enum fail event_page(struct operation *operation, const struct event_filter *filter,
                     struct page *page, const struct event **out, size_t *count,
                     const char **last) MUST_CHECK;

/* FAIL_NOT_FOUND "event_not_found" */
enum fail fail_event_not_found(struct task *task) MUST_CHECK;

/* The place that a page begins behind. */
enum fail event_cursor_read(struct task *task, const struct page *page,
                            struct event_cursor *out) MUST_CHECK;

/* One event, also one that other readers do not get yet. FAIL_NOT_FOUND "event_not_found". */
enum fail event_find(struct operation *operation, const char *event_id,
                     struct event *out) MUST_CHECK;

struct event_batch {
	const struct event *rows;
	size_t count;
	struct event_cursor place; /* to go on from */
	bool more;                 /* perhaps more is due behind it */
};

/* For consumers: events behind the cursor that are due, in order, at most `limit`. */
enum fail event_batch_read(struct operation *operation, const struct event_filter *filter,
                           struct event_cursor behind, int64_t limit,
                           struct event_batch *out) MUST_CHECK;

/* The place of a consumer that begins now: behind it are the events that are written from now on, and
 * perhaps some of the last seconds. */
enum fail event_cursor_now(struct operation *operation, struct event_cursor *out) MUST_CHECK;

/* {id, type, customer_id, sequence, created_at, data}; `name` is NULL within an array. */
void event_render(struct json_out *json, const char *name, const struct event *event);
