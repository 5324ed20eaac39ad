/* key_use.c: the signing keys that must stay published. */
#include "issuing/key_use.h"

static const struct statement statements[] = {
        {"key_use_list", ROWS_WITH(struct key_use, kid, last_expires_at),
         .sql = "SELECT kid, max(expires_at) AS last_expires_at FROM licenses "
                "WHERE kid NOT IN (SELECT kid FROM signing_keys WHERE state = 'distrusted') "
                "GROUP BY kid HAVING max(expires_at) > $1::timestamptz"},
};

const struct statement_list key_use_statements = STATEMENT_LIST(statements);

enum fail
key_use_find_missing(struct operation *operation, const struct license_keys *keys,
                     struct key_use *out, bool *found)
{
	const struct key_use *uses = NULL;
	size_t count = 0;

	*found = false;
	TRY(db_rows(operation->db, operation->task, &statements[0],
	            PARAMETERS(param_now(operation)), (void *)&uses, &count));
	for (size_t i = 0; i < count && !*found; i++)
		if (license_keys_find(keys, uses[i].kid) == NULL) {
			*out = uses[i];
			*found = true;
		}
	return FAIL_NONE;
}
