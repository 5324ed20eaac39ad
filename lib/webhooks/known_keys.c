/* known_keys.c: the keys of webhooks in the database, and the key of this host beside them. */
#include "webhooks/known_keys.h"

#include <string.h>

enum { LOCK, LIST, ADD };

static const struct statement statements[] = {
        /* The number is any that nothing else uses. */
        [LOCK] = {"webhook_keys_lock",
                  .sql = "SELECT FROM pg_advisory_xact_lock(113672440080246)"},
        [LIST] = {"webhook_keys", ROWS_WITH(struct webhook_known_key, public_key, added_at),
                  .sql = "SELECT public_key, added_at FROM webhook_keys "
                         "ORDER BY added_at DESC, public_key LIMIT 20"},
        [ADD] = {"webhook_key_add",
                 .sql = "INSERT INTO webhook_keys (public_key, added_at) "
                        "VALUES ($1, $2::timestamptz) ON CONFLICT DO NOTHING"},
};

const struct statement_list webhook_key_statements = STATEMENT_LIST(statements);

static enum fail
list(struct operation *operation, const struct webhook_known_key **out, size_t *count)
{
	return db_rows(operation->db, operation->task, &statements[LIST], NO_PARAMETERS,
	               (void *)out, count);
}

enum fail
webhook_known_keys(struct operation *operation, const struct webhook_known_key **out,
                   size_t *count)
{
	size_t known, kept = 1;

	TRY(list(operation, out, &known));
	/* A key was current until the next one was added. */
	while (kept < known &&
	       (*out)[kept - 1].added_at.ms > operation->now_ms - 2 * WEBHOOK_OVERLAP_MS)
		kept++;
	*count = kept < known ? kept : known;
	return FAIL_NONE;
}

static enum fail
add(struct operation *operation, const struct webhook_keys *keys)
{
	return db_run(operation->db, operation->task, &statements[ADD],
	              PARAMETERS(keys->current.public_text, param_now(operation)), NULL);
}

static enum fail
fail_unknown(struct task *task)
{
	return task_fail(task, FAIL_CONFLICT, "webhook_key_unknown",
	                 "The key of webhooks on this host is not the current one: copy "
	                 "KEYS_DIR/webhook-key.pem from the host that has it.");
}

/* Loads the folder's key; makes one where there is none anywhere. */
static enum fail
load(struct operation *operation, const char *dir, bool may_make, struct webhook_keys *keys)
{
	struct task *task = operation->task;
	struct task attempt = task_attempt(task);
	enum fail kind = webhook_keys_load(&attempt, dir, keys);

	if (kind == FAIL_NOT_FOUND && may_make) {
		struct task making = task_attempt(task);

		if (webhook_key_generate(&making, dir) == FAIL_NONE)
			return webhook_keys_load(task, dir, keys);
	}
	if (kind == FAIL_NOT_FOUND)
		return task_fail(task, FAIL_CONFLICT, "webhook_key_missing",
		                 "This host has no key of webhooks (run: billingctl webhooks "
		                 "key; or copy KEYS_DIR/webhook-key.pem from the host "
		                 "that has it).");
	return kind == FAIL_NONE ? kind
	                         : task_fail(task, kind, attempt.failure.code, "%s",
	                                     attempt.failure.message);
}

/* The first key that any host has becomes the current one. */
static enum fail
register_first(struct operation *operation, const struct webhook_keys *keys)
{
	const struct webhook_known_key *known;
	size_t count;

	TRY(db_begin(operation->db, operation->task));
	TRY(db_run(operation->db, operation->task, &statements[LOCK], NO_PARAMETERS, NULL));
	TRY(list(operation, &known, &count));
	if (count > 0 && strcmp(known[0].public_key, keys->current.public_text) != 0)
		return fail_unknown(operation->task);
	TRY(add(operation, keys));
	return db_commit(operation->db, operation->task);
}

static enum fail
compare(struct operation *operation, const struct webhook_known_key *known, size_t count,
        const struct webhook_keys *keys)
{
	if (count == 0)
		return register_first(operation, keys);
	if (strcmp(known[0].public_key, keys->current.public_text) != 0)
		return fail_unknown(operation->task);
	return FAIL_NONE;
}

enum fail
webhook_keys_open(struct operation *operation, const char *dir, struct webhook_keys *keys)
{
	const struct webhook_known_key *known;
	enum fail kind;
	size_t count;

	*keys = (struct webhook_keys){0};
	TRY(list(operation, &known, &count));
	TRY(load(operation, dir, count == 0, keys));
	kind = compare(operation, known, count, keys);
	if (kind != FAIL_NONE)
		webhook_keys_release(keys);
	return kind;
}

static bool
is_known(const struct webhook_known_key *known, size_t count, const char *public_key)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(known[i].public_key, public_key) == 0)
			return true;
	return false;
}

/* Makes the key, unless the folder has one that an interrupted change has made. */
static enum fail
make(struct operation *operation, const char *dir)
{
	struct task attempt = task_attempt(operation->task);
	const struct webhook_known_key *known;
	struct webhook_keys before;
	enum fail kind;
	size_t count;
	bool used;

	if (webhook_keys_load(&attempt, dir, &before) != FAIL_NONE)
		return webhook_key_generate(operation->task, dir);
	kind = list(operation, &known, &count);
	used = kind == FAIL_NONE && is_known(known, count, before.current.public_text);
	webhook_keys_release(&before);
	TRY(kind);
	return used ? webhook_key_replace(operation->task, dir) : FAIL_NONE;
}

enum fail
webhook_key_change(struct operation *operation, const char *dir, struct webhook_keys *keys)
{
	enum fail kind;

	*keys = (struct webhook_keys){0};
	TRY(db_run(operation->db, operation->task, &statements[LOCK], NO_PARAMETERS, NULL));
	TRY(make(operation, dir));
	TRY(webhook_keys_load(operation->task, dir, keys));
	kind = add(operation, keys);
	if (kind != FAIL_NONE)
		webhook_keys_release(keys);
	return kind;
}
