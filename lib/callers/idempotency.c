/* idempotency.c: the first answer to a POST with an Idempotency-Key, kept for a day. */
#include "callers/idempotency.h"

#include <string.h>

#include "base/text.h"

struct claim {
	bool locked;
	struct bytes sealed;
	bool used_up;
};

extern const char callers_idempotency_store_sql[]; /* idempotency_store.sql */

enum { CLAIM, STORE, PRUNE, PRUNE_COUNTS };

static const struct statement statements[] = {
        /* Another request may commit its row between this statement's snapshot and its lock.
	 * Then STORE finds the row and stores nothing, and the client's next try reads it
	 * here. */
        [CLAIM] = {"idempotency_claim", ROWS_WITH(struct claim, locked, sealed, used_up),
                   .sql = "SELECT pg_try_advisory_xact_lock($2::bigint) AS locked, "
                          "(SELECT sealed FROM idempotency_keys WHERE digest = $1 "
                          "AND expires_at > $3::timestamptz) AS sealed, "
                          "EXISTS (SELECT FROM idempotency_counts WHERE account = $4 AND "
                          "day = date(timezone('UTC', $3::timestamptz)) AND "
                          "(answers >= $5::bigint OR bytes >= $6::bigint)) AS used_up"},
        [STORE] = {"idempotency_store", .sql = callers_idempotency_store_sql},
        [PRUNE] = {"idempotency_prune",
                   .sql = "DELETE FROM idempotency_keys WHERE digest IN (SELECT digest FROM "
                          "idempotency_keys WHERE expires_at <= $1 ORDER BY expires_at "
                          "LIMIT $2::bigint FOR UPDATE SKIP LOCKED)"},
        [PRUNE_COUNTS] = {"idempotency_prune_counts",
                          .sql = "DELETE FROM idempotency_counts WHERE "
                                 "day < date(timezone('UTC', $1::timestamptz))"},
};

const struct statement_list idempotency_statements = STATEMENT_LIST(statements);

const char *
idempotency_check_key(const char *key)
{
	size_t length = strlen(key);

	for (size_t i = 0; i < length; i++)
		if (key[i] < 0x20 || key[i] > 0x7e)
			length = 0;
	return length >= 1 && length <= 255 ? NULL : "must have 1 to 255 printable characters";
}

/* The row is found by a digest of caller and key. The answer is sealed with key and request. */
static void
derive(struct arena *arena, struct idempotency *idempotency)
{
	const char *const name[] = {"idempotency", idempotency->caller, idempotency->key};
	struct text secret = text_new(arena, idempotency->request.length + 512);

	idempotency->digest = digest_strings(name, 3);
	text_printf(&secret, "%zu:%s:%s:", strlen(idempotency->key), idempotency->key,
	            idempotency->caller);
	text_add_bytes(&secret, (const char *)idempotency->request.data,
	               idempotency->request.length);
	idempotency->secret = (struct bytes){(const uint8_t *)secret.data, secret.length};
}

/* A digest, as an account may be an address. */
static const char *
account_of(struct task *task, const struct idempotency *idempotency)
{
	const char *const name[] = {"account", idempotency->account};
	struct sha256 digest;

	if (idempotency->account == NULL)
		return NULL;
	digest = digest_strings(name, 2);
	return param_digest(task, &digest);
}

enum fail
idempotency_claim(struct operation *operation, struct idempotency *idempotency,
                  struct bytes *answer, bool *replay)
{
	struct task *task = operation->task;
	struct claim claim = {0};
	int64_t lock;
	bool found;

	derive(task->arena, idempotency);
	memcpy(&lock, idempotency->digest.bytes, sizeof(lock));
	TRY(db_row(operation->db, task, &statements[CLAIM],
	           PARAMETERS(param_digest(task, &idempotency->digest), param_int(task, lock),
	                      param_now(operation), account_of(task, idempotency),
	                      param_int(task, IDEMPOTENCY_DAY_ANSWERS),
	                      param_int(task, IDEMPOTENCY_DAY_BYTES)),
	           &claim, &found));
	*replay = claim.sealed.data != NULL;
	if (*replay) {
		if (digest_open(task->arena, idempotency->secret, claim.sealed, answer))
			return FAIL_NONE;
		return task_fail(task, FAIL_UNPROCESSABLE, "idempotency_key_reused",
		                 "This Idempotency-Key was used for another request.");
	}
	if (claim.used_up)
		return fail_until_tomorrow(
		        operation, "too_many_stored_answers",
		        "Too many answers were stored for Idempotency-Keys today; send "
		        "requests without one, or try again tomorrow.");
	return claim.locked ? FAIL_NONE : fail_in_progress(task, true, NULL);
}

enum fail
idempotency_store(struct operation *operation, const struct idempotency *idempotency,
                  struct bytes answer)
{
	struct task *task = operation->task;
	struct bytes sealed = digest_seal(task->arena, idempotency->secret, answer);
	int64_t stored;

	if (answer.length > IDEMPOTENCY_ANSWER_MAX)
		return task_fail(
		        task, FAIL_TOO_LARGE, "answer_too_large",
		        "The answer is too large to be stored for an Idempotency-Key; send "
		        "fewer items or no key.");
	TRY(db_run(operation->db, task, &statements[STORE],
	           PARAMETERS(param_digest(task, &idempotency->digest),
	                      param_bytes(task, sealed), param_now(operation),
	                      param_in(operation, DAY_MS), account_of(task, idempotency)),
	           &stored));
	return stored == 1 ? FAIL_NONE : fail_in_progress(task, true, NULL);
}

enum fail
idempotency_prune(struct operation *operation, int64_t *pruned)
{
	struct task *task = operation->task;

	TRY(db_run(operation->db, task, &statements[PRUNE_COUNTS],
	           PARAMETERS(param_now(operation)), NULL));
	return db_run(operation->db, task, &statements[PRUNE],
	              PARAMETERS(param_now(operation), param_int(task, operation->batch)),
	              pruned);
}
