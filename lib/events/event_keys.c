/* event_keys.c: events that are written once each, by a key that is stored. */
#include "events/event_keys.h"

/* Stripe repeats events for 30 days, and no clock is so wrong for so long. */
enum { KEEP_DAYS = 400 };

struct taken {
	bool is_first;
};

enum { TAKE, PRUNE };

static const struct statement statements[] = {
        [TAKE] = {"event_keys_take", ROWS_WITH(struct taken, is_first),
                  .sql = "WITH taken AS (INSERT INTO event_keys (customer_id, key, written_at) "
                         "  SELECT $1, key, $3::timestamptz FROM unnest($2::text[]) AS key "
                         "  ORDER BY key ON CONFLICT DO NOTHING RETURNING key) "
                         "SELECT EXISTS (SELECT FROM taken WHERE key = ($2::text[])[1]) "
                         "AS is_first"},
        [PRUNE] = {"event_keys_prune",
                   .sql = "DELETE FROM event_keys WHERE (customer_id, key) IN ("
                          "  SELECT customer_id, key FROM event_keys WHERE written_at < $1 "
                          "  ORDER BY written_at LIMIT $2::bigint FOR UPDATE SKIP LOCKED)"},
};

const struct statement_list event_key_statements = STATEMENT_LIST(statements);

enum fail
event_keys_take(struct operation *operation, const char *customer_id,
                const struct string_list *keys, bool *is_new)
{
	struct task *task = operation->task;
	struct taken taken = {false};
	bool found;

	TRY(db_row(operation->db, task, &statements[TAKE],
	           PARAMETERS(customer_id, param_list(task, keys), param_now(operation)),
	           &taken, &found));
	*is_new = taken.is_first;
	return FAIL_NONE;
}

enum fail
event_write_once(struct operation *operation, enum event_type type, const char *customer_id,
                 const char *key, const char *data, bool *is_new)
{
	const struct string_list keys = {true, 1, &key};
	bool first;

	TRY(event_keys_take(operation, customer_id, &keys, &first));
	if (is_new != NULL)
		*is_new = first;
	return first ? event_write(operation, type, customer_id, data) : FAIL_NONE;
}

enum fail
event_keys_prune(struct operation *operation, int64_t *pruned)
{
	return db_run(operation->db, operation->task, &statements[PRUNE],
	              PARAMETERS(param_in(operation, -KEEP_DAYS * DAY_MS),
	                         param_int(operation->task, operation->batch)),
	              pruned);
}
