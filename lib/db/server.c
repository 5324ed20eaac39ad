/* server.c: facts about the PostgreSQL server that we are connected to. */
#include "db/server.h"

#include <string.h>

#include <libpq-fe.h>

#include "base/arena.h"

static const struct statement statements[] = {
        {"server_facts",
         ROWS_WITH(struct server_facts, version, version_number, encoding, locale, ascii_case,
                   collation_stale, checksums, durable, read_only),
         .sql = "SELECT current_setting('server_version') AS version, "
                "current_setting('server_version_num')::bigint AS version_number, "
                "pg_encoding_to_char(d.encoding)::text AS encoding, "
                "COALESCE(d.daticulocale, d.datctype) || "
                "  CASE d.datlocprovider WHEN 'i' THEN ' (ICU)' ELSE ' (libc)' END AS locale, "
                "lower('AIZ') = 'aiz' AND upper('aiz') = 'AIZ' AS ascii_case, "
                "COALESCE(d.datcollversion <> pg_database_collation_actual_version(d.oid), "
                "  false) AS collation_stale, "
                "current_setting('data_checksums') = 'on' AS checksums, "
                "current_setting('fsync') = 'on' AND current_setting('full_page_writes') = "
                "'on' "
                "  AND current_setting('synchronous_commit') <> 'off' AS durable, "
                "pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' "
                "  AS read_only "
                "FROM pg_database d WHERE d.datname = current_database()"},
};

const struct statement_list server_statements = STATEMENT_LIST(statements);

enum fail
server_facts_read(struct db *db, struct task *task, struct server_facts *out)
{
	bool found;

	return db_row(db, task, &statements[0], NO_PARAMETERS, out, &found);
}

const char *
server_unreachable(struct arena *arena, const char *url)
{
	const char *names[] = {"dbname", "connect_timeout", NULL};
	const char *values[] = {url, "3", NULL};
	PGconn *connection = PQconnectdbParams(names, values, 1);
	char *why = NULL;

	if (PQstatus(connection) != CONNECTION_OK) {
		why = arena_copy(arena, PQerrorMessage(connection));
		why[strcspn(why, "\n")] = '\0';
		/* libpq quotes a string that it cannot read, with the password. */
		if (strstr(why, url) != NULL)
			why = arena_copy(arena, "it isn't a connection string");
	}
	PQfinish(connection);
	return why;
}
