/* host_plans.c: which plans the hosts of a database have loaded. */
#include "billing/host_plans.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "db/server.h"

/* The digest has 64 characters; so many leave room for the host's name in the name of the connection. */
enum { DIGEST_SHOWN = 12, HOST_SHOWN = 28 };

/* A host has two such connections during a reload; the newer one counts. Other hosts may have another role
 * in PostgreSQL, which hides when their connections began. */
static const struct statement statements[] = {
        {"host_plans_compare", ROWS_WITH(struct host_plans, backend_pid, alike, differ, names),
         .sql = "SELECT pg_backend_pid()::bigint AS backend_pid, "
                "count(*) FILTER (WHERE alike) AS alike, "
                "count(*) FILTER (WHERE NOT alike) AS differ, "
                "COALESCE(string_agg(substr(host, strpos(host, '@') + 1) || ' (process ' || "
                "  split_part(host, '@', 1) || ')', ', ' ORDER BY host) "
                "  FILTER (WHERE NOT alike AND place <= 10), '') AS names "
                "FROM (SELECT host, alike, "
                "  row_number() OVER (PARTITION BY alike ORDER BY host) AS place "
                "  FROM (SELECT DISTINCT ON (host) split_part(application_name, ' ', 4) "
                "    AS host, split_part(application_name, ' ', 3) = left($1, 12) AS alike "
                "    FROM pg_stat_activity WHERE datname = current_database() "
                "    AND application_name ~ '^billingd jobs [0-9a-f]{12} ' "
                "    ORDER BY host, backend_start DESC NULLS LAST) AS newest "
                "  WHERE host <> "
                "    split_part(current_setting('application_name'), ' ', 4)) AS hosts"},
};

const struct statement_list host_plans_statements = STATEMENT_LIST(statements);

/* The name of this host, as far as it is shown, of the characters that names of hosts have. */
static const char *
host_name(struct arena *arena)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                              "0123456789.-_";
	char name[HOST_NAME_MAX + 1] = "";

	if (gethostname(name, sizeof(name) - 1) != 0 || *name == '\0')
		return "unknown";
	for (char *c = name; *c != '\0'; c++)
		if (strchr(allowed, *c) == NULL)
			*c = '_';
	return arena_printf(arena, "%.*s", HOST_SHOWN, name);
}

const char *
host_plans_name(struct arena *arena, const char *role, const struct plans *plans, pid_t master)
{
	return arena_printf(arena, "%s %.*s %lld@%s", role, DIGEST_SHOWN, plans->digest,
	                    (long long)master, host_name(arena));
}

enum fail
host_plans_compare(struct operation *operation, const struct plans *plans,
                   struct host_plans *out)
{
	bool found;

	*out = (struct host_plans){.names = ""};
	TRY(db_row(operation->db, operation->task, &statements[0], PARAMETERS(plans->digest),
	           out, &found));
	if (server_is_pooled(operation->db, out->backend_pid))
		*out = (struct host_plans){.names = "", .pooled = true};
	return FAIL_NONE;
}
