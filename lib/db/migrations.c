/*
 * migrations.c: reads the folder of migrations and applies what the database lacks.
 *
 * One transaction takes the lock, reads again what is applied, runs the script and records it.
 * It needs nothing of the session, so that it also works behind a pooler.
 */
#include "db/migrations.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"
#include "db/internal.h"

enum {
	FILE_LIMIT = 1024 * 1024,
	FOLDER_LIMIT = 64 * FILE_LIMIT,
	VERSION_MAX = 999,
	TRIES = 10,
	PAUSE_US = 500000
};

/* How long this side waits for one migration: longer than any may take. */
static const int64_t patience_ms = 7 * DAY_MS;

/* The lock's number is "gbmigr" in ASCII, which no other program uses. The wait for it has no
 * limit; the wait for tables has. */
static const char prepare_sql[] =
        "SET LOCAL statement_timeout = 0;"
        "SET LOCAL lock_timeout = 0;"
        "SELECT pg_advisory_xact_lock(113672440080242);"
        "SET LOCAL lock_timeout = '2s';"
        "CREATE TABLE IF NOT EXISTS schema_migrations ("
        "    version    bigint PRIMARY KEY,"
        "    name       text NOT NULL,"
        "    checksum   text NOT NULL,"
        "    applied_at timestamptz(3) NOT NULL DEFAULT clock_timestamp())";

struct presence {
	bool present;
};

/* A row of schema_migrations. */
struct applied {
	int64_t version;
	const char *checksum;
	struct instant applied_at;
};

enum { PRESENT, LIST, INSERT };

static const struct statement statements[] = {
        [PRESENT] = {"migration_table", ROWS_WITH(struct presence, present),
                     .sql = "SELECT to_regclass('schema_migrations') IS NOT NULL AS present"},
        [LIST] = {"migration_list", ROWS_WITH(struct applied, version, checksum, applied_at),
                  .sql = "SELECT version, checksum, applied_at FROM schema_migrations "
                         "ORDER BY version"},
        [INSERT] = {"migration_insert",
                    .sql = "INSERT INTO schema_migrations (version, name, checksum) "
                           "VALUES ($1::bigint, $2, $3)"},
};

const struct statement_list migration_statements = STATEMENT_LIST(statements);

/* The version of NNN_name.sql, 0 for any other name. */
static int64_t
version_of(const char *name)
{
	size_t stem = strspn(name, "0123456789");

	if (stem != 3 || name[stem] != '_' || name[stem + 1] == '.' ||
	    strcmp(name + strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_"), ".sql") != 0)
		return 0;
	return strtol(name, NULL, 10);
}

static enum fail
read_migration(struct task *task, const char *folder, const char *name, int64_t expected,
               struct migration *out)
{
	const char *path = arena_printf(task->arena, "%s/%s", folder, name);
	struct sha256 digest;
	size_t length = 0;
	char *sql = NULL;

	if (version_of(name) != expected)
		return task_fail(
		        task, FAIL_INVALID, "migration_invalid",
		        "%s should be migration %03lld: names are NNN_name.sql (a-z, 0-9, "
		        "_), numbered from 001 without gaps.",
		        path, (long long)expected);
	TRY(file_read(task, path, FILE_LIMIT, &sql, &length));
	if (!text_is_utf8(sql, length) || memchr(sql, '\0', length) != NULL)
		return task_fail(task, FAIL_INVALID, "migration_invalid",
		                 "%s isn't UTF-8 text.", path);
	digest = digest_sha256(sql, length);
	*out = (struct migration){
	        .version = expected,
	        .name = arena_copy(task->arena, name),
	        .checksum = hex_encode(task->arena, digest.bytes, sizeof(digest.bytes)),
	        .sql = sql,
	};
	return FAIL_NONE;
}

static enum fail
read_folder(struct task *task, const char *path, struct migration_list *out)
{
	const char *const *names;

	TRY(file_list(task, path, ".sql", &names, &out->count));
	if (out->count == 0 || out->count > VERSION_MAX)
		return task_fail(task, FAIL_INVALID, "migration_invalid",
		                 "%s has %zu migrations (set MIGRATIONS_DIR).", path,
		                 out->count);
	out->items = arena_array(task->arena, out->count, sizeof(*out->items));
	for (size_t i = 0; i < out->count; i++)
		TRY(read_migration(task, path, names[i], (int64_t)i + 1, &out->items[i]));
	return FAIL_NONE;
}

/* Marks in the list what the database has applied. A newer program has more. */
static enum fail
compare(struct task *task, const struct migration_list *folder, const struct applied *rows,
        size_t row_count)
{
	for (size_t i = 0; i < row_count; i++) {
		struct migration *migration;

		if (rows[i].version < 1 || rows[i].version > (int64_t)folder->count)
			continue;
		migration = &folder->items[rows[i].version - 1];
		if (strcmp(migration->checksum, rows[i].checksum) != 0)
			return task_fail(
			        task, FAIL_CONFLICT, "migration_changed",
			        "Migration %s was changed after it was applied; put the "
			        "file back as it was and write a new one instead.",
			        migration->name);
		migration->applied_at = rows[i].applied_at;
	}
	return FAIL_NONE;
}

static enum fail
read_applied(struct db *db, struct task *task, const struct migration_list *folder)
{
	struct presence table = {false};
	struct applied *rows = NULL;
	size_t count = 0;
	bool found;

	TRY(db_row(db, task, &statements[PRESENT], NO_PARAMETERS, &table, &found));
	if (!table.present)
		return FAIL_NONE;
	TRY(db_rows(db, task, &statements[LIST], NO_PARAMETERS, (void *)&rows, &count));
	return compare(task, folder, rows, count);
}

static size_t
count_pending(const struct migration_list *folder)
{
	size_t pending = 0;

	for (size_t i = 0; i < folder->count; i++)
		pending += folder->items[i].applied_at.known ? 0 : 1;
	return pending;
}

enum fail
migrations_know(struct task *task, const char *folder, struct migration_list *out)
{
	struct arena *scripts = arena_new(FOLDER_LIMIT);
	struct task reader = {.arena = scripts, .request_id = task->request_id};
	struct migration_list files;
	enum fail kind = read_folder(&reader, folder, &files);

	if (kind == FAIL_NONE)
		*out = migrations_copy(task->arena, &files);
	else
		kind = task_fail(task, kind, reader.failure.code, "%s", reader.failure.message);
	arena_free(scripts);
	return kind;
}

struct migration_list
migrations_copy(struct arena *arena, const struct migration_list *list)
{
	struct migration_list out = {arena_array(arena, list->count, sizeof(*out.items)),
	                             list->count};

	for (size_t i = 0; i < list->count; i++)
		out.items[i] = (struct migration){
		        .version = list->items[i].version,
		        .name = arena_copy(arena, list->items[i].name),
		        .checksum = arena_copy(arena, list->items[i].checksum),
		};
	return out;
}

enum fail
migrations_count_pending(struct db *db, struct task *task, const struct migration_list *known,
                         size_t *pending)
{
	struct migration_list list = migrations_copy(task->arena, known);

	TRY(read_applied(db, task, &list));
	*pending = count_pending(&list);
	return FAIL_NONE;
}

enum fail
migrations_read(struct db *db, struct task *task, const char *folder, struct migration **out,
                size_t *count, size_t *pending)
{
	struct migration_list files = {.items = NULL};

	TRY(read_folder(task, folder, &files));
	TRY(read_applied(db, task, &files));
	*out = files.items;
	*count = files.count;
	*pending = count_pending(&files);
	return FAIL_NONE;
}

/* The line of the script that PostgreSQL's position (in characters, from 1) lies on. */
static size_t
line_of(const char *sql, const char *position)
{
	long characters = position == NULL ? 0 : strtol(position, NULL, 10);
	size_t line = 1;

	for (; *sql != '\0' && characters > 1; sql++) {
		line += *sql == '\n' ? 1 : 0;
		/* Bytes that continue a UTF-8 character do not count. */
		characters -= ((unsigned char)sql[1] & 0xc0) == 0x80 ? 0 : 1;
	}
	return line;
}

static enum fail
explain(struct db *db, struct task *task, const struct migration *migration,
        const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *position = PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	/* 55P03 lock_not_available, 40P01 deadlock_detected */
	if (state != NULL && (strcmp(state, "55P03") == 0 || strcmp(state, "40P01") == 0))
		return task_fail(
		        task, FAIL_UNAVAILABLE, "migration_blocked",
		        "Migration %s cannot get the locks that it needs; try again when "
		        "the database is less busy.",
		        migration->name);
	if (state == NULL || strncmp(state, "57P", 3) == 0)
		return db_result_fail(db, task, migration->name, result, false);
	if (position == NULL)
		return task_fail(task, FAIL_CONFLICT, "migration_failed", "Migration %s: %s.",
		                 migration->name, message);
	return task_fail(task, FAIL_CONFLICT, "migration_failed", "Migration %s, line %zu: %s.",
	                 migration->name, line_of(migration->sql, position), message);
}

static bool
is_success(ExecStatusType status)
{
	return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ||
	       status == PGRES_EMPTY_QUERY;
}

/* The script's last result, or the first that is no success, or COPY, which would never end. */
static PGresult *
await_script(struct db *db)
{
	PGresult *next, *kept = NULL;

	while ((next = PQgetResult(db->connection)) != NULL) {
		if (kept != NULL && !is_success(PQresultStatus(kept))) {
			PQclear(next);
			continue;
		}
		PQclear(kept);
		kept = next;
		if (PQresultStatus(kept) == PGRES_COPY_IN ||
		    PQresultStatus(kept) == PGRES_COPY_OUT)
			return kept;
	}
	return kept;
}

/* As db_script(), but says what is wrong with the script, and knows no deadline. */
static enum fail
run_script(struct db *db, struct task *task, const struct migration *migration)
{
	PGresult *result = NULL;
	enum fail kind = FAIL_NONE;

	if (PQsendQuery(db->connection, migration->sql) == 1)
		result = await_script(db);
	if (PQtransactionStatus(db->connection) == PQTRANS_ACTIVE)
		kind = task_fail(task, FAIL_CONFLICT, "migration_failed",
		                 "Migration %s has a COPY from or to the client; use INSERT.",
		                 migration->name);
	else if (!is_success(PQresultStatus(result)))
		kind = explain(db, task, migration, result);
	else if (PQtransactionStatus(db->connection) != PQTRANS_INTRANS)
		kind = task_fail(task, FAIL_CONFLICT, "migration_failed",
		                 "Migration %s ends its transaction by itself; take COMMIT and "
		                 "ROLLBACK out of it.",
		                 migration->name);
	PQclear(result);
	if (kind != FAIL_NONE)
		db_disconnect(db);
	return kind;
}

/* Applies the migration unless another process did while this one waited for the lock. */
static enum fail
apply_locked(struct db *db, struct task *task, const struct migration_list *folder,
             const struct migration *migration, size_t *applied)
{
	TRY(db_script(db, task, prepare_sql));
	TRY(read_applied(db, task, folder));
	if (!migration->applied_at.known) {
		TRY(run_script(db, task, migration));
		TRY(db_run(db, task, &statements[INSERT],
		           PARAMETERS(param_int(task, migration->version), migration->name,
		                      migration->checksum),
		           NULL));
		++*applied;
	}
	return db_commit(db, task);
}

static enum fail
apply_one(struct db *db, struct task *task, const struct migration_list *folder,
          const struct migration *migration, size_t *applied)
{
	enum fail kind = FAIL_NONE;

	for (int try = 1; try <= TRIES; try++) {
		size_t before = *applied;

		TRY(db_begin(db, task));
		kind = apply_locked(db, task, folder, migration, applied);
		if (kind == FAIL_NONE)
			return kind;
		*applied = before;
		db_rollback_to(db, 0);
		if (strcmp(task->failure.code, "migration_blocked") != 0 || try == TRIES)
			return kind;
		task_clear(task);
		(void)usleep(PAUSE_US);
	}
	return kind;
}

/* The schema uses normalize(), which PostgreSQL has for UTF8 only. */
static enum fail
check_encoding(struct db *db, struct task *task)
{
	const char *encoding;

	TRY(db_connect(db, task));
	encoding = PQparameterStatus(db->connection, "server_encoding");
	if (encoding != NULL && strcmp(encoding, "UTF8") == 0)
		return FAIL_NONE;
	return task_fail(task, FAIL_INVALID, "encoding_unsupported",
	                 "The database's encoding is %s, it must be UTF8 (run: createdb "
	                 "--encoding=UTF8 --template=template0 NAME).",
	                 encoding == NULL ? "unknown" : encoding);
}

static enum fail
apply_all(struct db *db, struct task *task, const struct migration_list *folder,
          size_t *applied)
{
	TRY(check_encoding(db, task));
	TRY(read_applied(db, task, folder));
	for (size_t i = 0; i < folder->count; i++)
		if (!folder->items[i].applied_at.known)
			TRY(apply_one(db, task, folder, &folder->items[i], applied));
	return FAIL_NONE;
}

enum fail
migrations_apply(struct db *db, struct task *task, const char *folder, size_t *applied)
{
	int64_t timeout_ms = db->options.statement_timeout_ms;
	struct migration_list files = {.items = NULL};
	enum fail kind;

	*applied = 0;
	TRY(read_folder(task, folder, &files));
	db->options.statement_timeout_ms = patience_ms;
	kind = apply_all(db, task, &files, applied);
	/* A session that was opened meanwhile has no time limit. */
	db_disconnect(db);
	db->options.statement_timeout_ms = timeout_ms;
	return kind;
}
