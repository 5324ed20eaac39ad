/* key_revocation.c: revokes the licences of distrusted keys. */
#include "issuing/key_revocation.h"

#include "issuing/licenses.h"

extern const char issuing_key_revoke_sql[]; /* key_revoke.sql */

/* How many licences were revoked, and how many customers were told. */
struct key_revocation {
	int64_t revoked;
	int64_t told;
};

static const struct statement statements[] = {
        {"signing_key_revoke", ROWS_WITH(struct key_revocation, revoked, told),
         .sql = issuing_key_revoke_sql},
};

const struct statement_list key_revocation_statements = STATEMENT_LIST(statements);

enum fail
signing_key_revoke_distrusted(struct operation *operation, int64_t *done)
{
	/* Verifiers allow for a late clock: what they still accept is revoked too. */
	const char *ended = param_in(operation, -LICENSE_LEEWAY_SECONDS * SECOND_MS);
	const char *most = param_int(operation->task, 10 * operation->batch);
	struct key_revocation row = {0};
	bool found;

	TRY(db_row(operation->db, operation->task, &statements[0],
	           PARAMETERS(param_now(operation), ended, most), &row, &found));
	*done = row.revoked;
	return FAIL_NONE;
}
