/* migrations.h: numbered SQL files, applied once each and in order, forward only. */
#pragma once

#include "base/clock.h"
#include "base/failure.h"

struct arena;
struct db;
struct statement_list;

/* One file NNN_name.sql and what the database knows of it. */
struct migration {
	int64_t version;
	const char *name;     /* the file's name */
	const char *checksum; /* SHA-256 of the file, hex */
	const char *sql;
	struct instant applied_at; /* unknown while pending */
};

/* The migrations that a program knows: the files of a folder at one time, in order. */
struct migration_list {
	struct migration *items;
	size_t count;
};

extern const struct statement_list migration_statements;

/* Reads the folder alone, and leaves `sql` out. FAIL_INVALID "migration_invalid". */
enum fail migrations_know(struct task *task, const char *folder,
                          struct migration_list *out) MUST_CHECK;

/* A copy in another arena, without `sql`. */
struct migration_list migrations_copy(struct arena *arena, const struct migration_list *list);

/* Counts the known migrations that the database lacks. A database may have more of them.
 * FAIL_CONFLICT as migrations_read(). */
enum fail migrations_count_pending(struct db *db, struct task *task,
                                   const struct migration_list *known,
                                   size_t *pending) MUST_CHECK;

/* Reads the folder and the table schema_migrations (an absent table means: none applied).
 * `pending` counts those not applied. FAIL_INVALID "migration_invalid" for gaps and bad names;
 * FAIL_CONFLICT "migration_changed" when an applied file differs from its checksum. One that
 * the database has and the folder lacks is no failure: an old binary may run on a newer
 * schema. */
enum fail migrations_read(struct db *db, struct task *task, const char *folder,
                          struct migration **out, size_t *count, size_t *pending) MUST_CHECK;

/*
 * Applies the pending files, each in a transaction of its own and under an advisory lock, so
 * that a kill leaves none half done and two runs at once end in the same schema. The one time
 * limit is 2 s for a table's lock, so that requests do not queue behind a waiting migration: it
 * is rolled back and tried again, ten times in all.
 *
 * `applied` counts what this call applied. Failures as migrations_read(); FAIL_INVALID
 * "encoding_unsupported" unless the database is in UTF8; FAIL_CONFLICT "migration_failed" with
 * file, line and PostgreSQL's reason; FAIL_UNAVAILABLE "migration_blocked".
 */
enum fail migrations_apply(struct db *db, struct task *task, const char *folder,
                           size_t *applied) MUST_CHECK;
