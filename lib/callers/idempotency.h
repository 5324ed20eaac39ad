/*
 * idempotency.h: the first answer to a POST with an Idempotency-Key, kept for a day.
 *
 * Claim, work and answer are one transaction, so a crash leaves nothing half done. The row
 * holds a digest of the key and the answer sealed with what only the client knows (its key and
 * its request): an answer may hold an API key, which must not be readable in the database.
 */
#pragma once

#include "operation/operation.h"

/* Bounds of one answer, and of all answers that are stored on one account within a day (UTC). */
enum {
	IDEMPOTENCY_ANSWER_MAX = 768 * 1024,
	IDEMPOTENCY_DAY_ANSWERS = 100000,
	IDEMPOTENCY_DAY_BYTES = 64 * 1024 * 1024
};

/* One use of a key. `request` is method, path and body. */
struct idempotency {
	const char *caller;
	const char *account; /* whose answers are counted together; NULL: not bounded */
	const char *key;
	struct bytes request;
	struct sha256 digest; /* filled by the claim */
	struct bytes secret;  /* likewise */
};

extern const struct statement_list idempotency_statements;

/* NULL when the text can be a key (1 to 255 printable characters), else why not. */
const char *idempotency_check_key(const char *key);

/* Claims the key in the open transaction. `*replay` is true when an answer is stored, which
 * `answer` then has. FAIL_BUSY "idempotency_in_progress" while another request uses it,
 * FAIL_UNPROCESSABLE "idempotency_key_reused" when the key was used for another request,
 * FAIL_LIMITED "too_many_stored_answers" when the account's answers of the day are used up. */
enum fail idempotency_claim(struct operation *operation, struct idempotency *idempotency,
                            struct bytes *answer, bool *replay) MUST_CHECK;

/* Stores the answer in the open transaction. FAIL_BUSY "idempotency_in_progress" when
 * another request with the key was faster; FAIL_TOO_LARGE "answer_too_large". */
enum fail idempotency_store(struct operation *operation, const struct idempotency *idempotency,
                            struct bytes answer) MUST_CHECK;

/* A job: deletes answers that have expired, and the counts of earlier days. */
enum fail idempotency_prune(struct operation *operation, int64_t *pruned) MUST_CHECK;
