/* once.h: events that are written once each, however often, late and by how many processes they are
 * found. */
#pragma once

#include "events/log.h"

extern const struct statement_list event_once_statements;

/* Writes the event within the open transaction, unless the customer has one with this key; `*is_new`
 * (or NULL) tells. The key names the type, the object and the date. */
enum fail event_write_once(struct operation *operation, enum event_type type,
                           const char *customer_id, const char *key, const char *data,
                           bool *is_new) MUST_CHECK;

/* Takes the keys for the customer; `*is_new`: the first one was free. */
enum fail event_keys_take(struct operation *operation, const char *customer_id,
                          const struct string_list *keys, bool *is_new) MUST_CHECK;

/* A job: deletes keys that are older than any date that can still be found. */
enum fail event_keys_prune(struct operation *operation, int64_t *pruned) MUST_CHECK;
