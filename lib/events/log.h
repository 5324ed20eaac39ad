/*
 * log.h: writes events, each in the transaction of the change that it tells of.
 *
 * When a transaction or a savepoint is rolled back, its events are not written. Writing costs no round
 * trip. A statement that makes a change by itself calls the database's function instead:
 * event_add(type's name, customer's id or NULL, time, data); one that changes several customers calls
 * it in the order of their ids.
 */
#pragma once

#include "events/catalogue.h"
#include "operation/operation.h"

extern const struct statement_list event_log_statements;

/* An event's data is shorter, in bytes; longer data is left out. */
enum { EVENT_DATA_MAX = 20 * 1024 };

/* Writes the event with the COMMIT of the open transaction, or at once outside of one. `data` is the text
 * of a JSON object: the changed object as the API shows it, without keys, tokens and secrets.
 * `customer_id` is NULL for an event that belongs to no customer. All texts must live until the
 * transaction ends. An operation with `without_events` writes nothing. */
enum fail event_write(struct operation *operation, enum event_type type,
                      const char *customer_id, const char *data) MUST_CHECK;

/* Where an event is in the log. */
struct event_place {
	int64_t position;
	int64_t number;
};

/* The events behind `after`, `until` included. */
struct event_span {
	struct event_place after;
	struct event_place until;
};

/* Takes the personal data out of the first `most` events of a deleted customer in the span, which then ends
 * where they end; `*events` counts them. */
enum fail events_forget(struct operation *operation, const char *customer_id, int64_t most,
                        struct event_span *span, int64_t *events) MUST_CHECK;
