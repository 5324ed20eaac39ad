/* host_plans.c: which plans the hosts of a database have loaded. */
#include "billing/host_plans.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/digest.h"
#include "base/encoding.h"
#include "db/server.h"

/* PostgreSQL keeps 63 characters of the name of a connection. */
enum { DIGEST_SHOWN = 12, MARK_BYTES = 4, HOST_SHOWN = 19 };

/* A host whose jobs run no statement for so long is gone. They run one each second. */
#define SILENT "interval '5 minutes'"

/* A host has two such connections during a reload; the newer one counts. Other hosts may have another role
 * in PostgreSQL, which hides when their connections began. The connection of a host that lost its power may
 * last for hours, but runs no statement. */
static const struct statement statements[] = {
        {"host_plans_compare", ROWS_WITH(struct host_plans, backend_pid, alike, differ, names),
         .sql = "SELECT pg_backend_pid()::bigint AS backend_pid, "
                "count(*) FILTER (WHERE alike) AS alike, "
                "count(*) FILTER (WHERE NOT alike) AS differ, "
                "COALESCE(string_agg(substr(host, strpos(host, '@') + 1) || ' (process ' || "
                "  split_part(host, '-', 1) || ')', ', ' ORDER BY host) "
                "  FILTER (WHERE NOT alike AND place <= $2::bigint), '') AS names "
                "FROM (SELECT host, alike, "
                "  row_number() OVER (PARTITION BY alike ORDER BY host) AS place "
                "  FROM (SELECT DISTINCT ON (host) split_part(application_name, ' ', 4) "
                "    AS host, split_part(application_name, ' ', 3) = $1 AS alike "
                "    FROM pg_stat_activity WHERE datname = current_database() "
                "    AND application_name ~ '^billingd jobs [0-9a-f]{12} ' "
                "    AND COALESCE(state_change > now() - " SILENT ", true) "
                "    ORDER BY host, backend_start DESC NULLS LAST) AS newest "
                "  WHERE host <> "
                "    split_part(current_setting('application_name'), ' ', 4)) AS hosts"},
};

const struct statement_list host_plans_statements = STATEMENT_LIST(statements);

static const char *
shown_digest(struct arena *arena, const struct plans *plans)
{
	return arena_printf(arena, "%.*s", DIGEST_SHOWN, plans->digest);
}

/* A text of the characters that names of hosts have. */
static const char *
shown_name(struct arena *arena, const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                              "0123456789.-_";
	char *shown = arena_printf(arena, "%.*s", HOST_SHOWN, name);

	for (char *c = shown; *c != '\0'; c++)
		if (strchr(allowed, *c) == NULL)
			*c = '_';
	return shown;
}

/* The machine's since it was started; empty where the system tells none. */
static const char *
boot_id(struct arena *arena)
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
	char line[64] = "";

	if (file == NULL)
		return "";
	if (fgets(line, sizeof(line), file) == NULL)
		*line = '\0';
	(void)fclose(file);
	return arena_printf(arena, "%s", line);
}

/* Tells hosts apart whose names begin alike, as those of containers do, in which each master has the same
 * process id, and hosts of one name on two machines. */
static const char *
host_mark(struct arena *arena, const char *name)
{
	const char *parts[] = {name, boot_id(arena)};
	struct sha256 digest = digest_strings(parts, sizeof(parts) / sizeof(*parts));

	return hex_encode(arena, digest.bytes, MARK_BYTES);
}

const char *
host_plans_name(struct arena *arena, const char *role, const struct plans *plans, pid_t master)
{
	char given[HOST_NAME_MAX + 1] = "";
	bool known = gethostname(given, sizeof(given) - 1) == 0 && *given != '\0';
	const char *name = known ? given : "unknown";

	return arena_printf(arena, "%s %s %lld-%s@%s", role, shown_digest(arena, plans),
	                    (long long)master, host_mark(arena, name), shown_name(arena, name));
}

enum fail
host_plans_compare(struct operation *operation, const struct plans *plans,
                   struct host_plans *out)
{
	bool found;

	*out = (struct host_plans){.names = ""};
	TRY(db_row(operation->db, operation->task, &statements[0],
	           PARAMETERS(shown_digest(operation->task->arena, plans),
	                      param_int(operation->task, HOST_PLANS_NAMED)),
	           out, &found));
	if (server_is_pooled(operation->db, out->backend_pid))
		*out = (struct host_plans){.names = "", .pooled = true};
	return FAIL_NONE;
}
