/* event_keys.h: events that are written once each, however often and late their cause is found, and by however
 * many processes. */
#pragma once

#include "events/log.h"

extern const struct statement_list event_key_statements;

/* Writes the event in the open transaction, unless one with this key was written for the customer before.
 * `*is_new` says whether it is written now; it may be NULL. The key names the type, the object and the
 * date. */
enum fail event_write_once(struct operation *operation, enum event_type type,
                           const char *customer_id, const char *key, const char *data,
                           bool *is_new) MUST_CHECK;

/* Marks the keys as used for the customer; `*is_new` says whether the first one was unused until now. */
enum fail event_keys_take(struct operation *operation, const char *customer_id,
                          const struct string_list *keys, bool *is_new) MUST_CHECK;

/* A job: deletes keys that are older than any date that can still be found. */
enum fail event_keys_prune(struct operation *operation, int64_t *pruned) MUST_CHECK;
