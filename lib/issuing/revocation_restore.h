/* revocation_restore.h: keeps the published revocation list in a file beside the database, so that a
 * database that was restored from a backup is noticed, and forgets no revocation. */
#pragma once

#include "operation/operation.h"

extern const struct statement_list revocation_restore_statements;

/*
 * A job: writes the stored list to the policy's file. When the file has a later list than the
 * database, the database was restored: what the published list revokes is revoked again, a list with
 * a higher number is signed, and the restore is recorded until an operator resolves it. `*done`
 * counts lists.
 */
enum fail revocation_publish_run(struct operation *operation, int64_t *done) MUST_CHECK;

/* The number of the list in the file of published lists; 0 when it has none. Failures of reading it, as
 * "file_unreadable". */
enum fail revocation_published_number(struct task *task, const char *path,
                                      int64_t *number) MUST_CHECK;

/* A revocation that the restored database does not know. Members are NULL where it has no row. */
struct lost_revocation {
	const char *customer_id;
	const char *jti; /* NULL: older licences of a customer that does not exist any more */
	const char *plan;
	const char *status; /* of the customer's subscription, by the restored database */
};

/* The revocations that were lost in restores that are not resolved, at most 1000. */
enum fail revocation_restore_list(struct operation *operation,
                                  const struct lost_revocation **out, size_t *count) MUST_CHECK;

/* Records that the lost changes were made again. Audited. */
enum fail revocation_restore_resolve(struct operation *operation) MUST_CHECK;
