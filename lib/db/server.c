/* server.c: facts about the PostgreSQL server that we are connected to. */
#include "db/server.h"

#include <string.h>

#include "base/arena.h"
#include "db/internal.h"

struct writable {
	bool writable;
};

enum { FACTS, WRITABLE, CONNECTIONS };

static const struct statement statements[] = {
        [WRITABLE] = {"server_writable", ROWS_WITH(struct writable, writable),
                      .sql = "SELECT NOT pg_is_in_recovery() AND "
                             "current_setting('transaction_read_only') = 'off' AS writable"},
        [FACTS] = {"server_facts",
                   ROWS_WITH(struct server_facts, version, version_number, encoding, locale,
                             ascii_case, collation_stale, checksums, durable, read_only,
                             archive_fails, idle_slots, backend_pid),
                   .sql = "SELECT current_setting('server_version') AS version, "
                          "current_setting('server_version_num')::bigint AS version_number, "
                          "pg_encoding_to_char(d.encoding)::text AS encoding, "
                          "COALESCE(d.daticulocale, d.datctype) || "
                          "  CASE d.datlocprovider WHEN 'i' THEN ' (ICU)' ELSE ' (libc)' END "
                          "AS locale, "
                          "lower('AIZ') = 'aiz' AND upper('aiz') = 'AIZ' AS ascii_case, "
                          "COALESCE(d.datcollversion <> "
                          "pg_database_collation_actual_version(d.oid), "
                          "  false) AS collation_stale, "
                          "current_setting('data_checksums') = 'on' AS checksums, "
                          "current_setting('fsync') = 'on' AND "
                          "current_setting('full_page_writes') = "
                          "'on' "
                          "  AND current_setting('synchronous_commit') <> 'off' AS durable, "
                          "pg_is_in_recovery() OR current_setting('transaction_read_only') = "
                          "'on' "
                          "  AS read_only, "
                          "EXISTS (SELECT FROM pg_stat_archiver WHERE last_failed_time > "
                          "  COALESCE(last_archived_time, '-infinity')) AND "
                          "current_setting('archive_mode') <> 'off' AS archive_fails, "
                          "(SELECT count(*) FROM pg_replication_slots WHERE NOT active "
                          "  AND restart_lsn IS NOT NULL) "
                          "AS idle_slots, pg_backend_pid()::bigint AS backend_pid "
                          "FROM pg_database d WHERE d.datname = current_database()"},
        /* 16 is the first version with reserved_connections. LEAST leaves out what is NULL. */
        [CONNECTIONS] =
                {"server_connections",
                 ROWS_WITH(struct server_connections, allowed, hosts, ours, others),
                 .sql = "SELECT LEAST(current_setting('max_connections')::bigint "
                        "  - current_setting('superuser_reserved_connections')::bigint "
                        "  - COALESCE(current_setting('reserved_connections', true)::bigint, "
                        "0), "
                        "  NULLIF(r.rolconnlimit, -1), NULLIF(d.datconnlimit, -1))::bigint "
                        "AS allowed, a.hosts, a.ours, "
                        "(SELECT COALESCE(sum(numbackends), 0) FROM pg_stat_database)::bigint "
                        "  - a.ours - 1 AS others "
                        "FROM pg_roles r, pg_database d, (SELECT count(*) AS ours, "
                        "  count(DISTINCT COALESCE(host(client_addr), '')) AS hosts "
                        "  FROM pg_stat_activity WHERE datname = current_database() "
                        "  AND application_name LIKE 'billingd%') a "
                        "WHERE r.rolname = current_user AND d.datname = current_database()"},
};

const struct statement_list server_statements = STATEMENT_LIST(statements);

bool
server_is_remote(const char *address)
{
	return address != NULL && address[0] != '\0' && address[0] != '/' &&
	       strncmp(address, "127.", 4) != 0 && strcmp(address, "::1") != 0;
}

/* How the connection was made, as libpq knows. */
static void
read_link(PGconn *connection, struct server_facts *out)
{
	PQconninfoOption *options = PQconninfo(connection);

	out->remote = server_is_remote(PQhostaddr(connection));
	out->encrypted = PQsslInUse(connection) != 0;
	out->verified = false;
	for (const PQconninfoOption *o = options; o != NULL && o->keyword != NULL; o++)
		if (strcmp(o->keyword, "sslmode") == 0 && o->val != NULL)
			out->verified = strncmp(o->val, "verify-", 7) == 0;
	PQconninfoFree(options);
}

/* A pooler invents the number that a client gets for its session. */
bool
server_is_pooled(const struct db *db, int64_t backend_pid)
{
	return backend_pid != PQbackendPID(db->connection);
}

enum fail
server_facts_read(struct db *db, struct task *task, struct server_facts *out)
{
	bool found;

	TRY(db_row(db, task, &statements[FACTS], NO_PARAMETERS, out, &found));
	out->pooled = server_is_pooled(db, out->backend_pid);
	read_link(db->connection, out);
	return FAIL_NONE;
}

enum fail
server_connections_read(struct db *db, struct task *task, struct server_connections *out)
{
	bool found;

	return db_row(db, task, &statements[CONNECTIONS], NO_PARAMETERS, out, &found);
}

enum fail
server_is_writable(struct db *db, struct task *task, bool *writable)
{
	struct writable row = {0};
	bool found;

	TRY(db_row(db, task, &statements[WRITABLE], NO_PARAMETERS, &row, &found));
	*writable = row.writable;
	return FAIL_NONE;
}

const char *
server_unreachable(struct arena *arena, const struct db_options *options)
{
	PGconn *connection = db_open(options, arena);
	char *why = NULL;

	if (PQstatus(connection) != CONNECTION_OK) {
		why = arena_copy(arena, PQerrorMessage(connection));
		why[strcspn(why, "\n")] = '\0';
		/* libpq quotes a string that it cannot read, with the password. */
		if (strstr(why, options->url) != NULL)
			why = arena_copy(arena, "it isn't a connection string");
	}
	PQfinish(connection);
	return why;
}

const char *
server_pooler_lacks(const char *unreachable)
{
	if (unreachable == NULL || strstr(unreachable, "unsupported startup parameter") == NULL)
		return NULL;
	return "ignore_startup_parameters = options";
}
