/*
 * migrations.h: numbered SQL files, applied once each and in order, forward only.
 */
#ifndef DB_MIGRATIONS_H
#define DB_MIGRATIONS_H

#include "base/clock.h"
#include "base/failure.h"

struct db;

/* One file NNN_name.sql and what the database knows of it. */
struct migration {
	int64_t version;
	const char *name;     /* the file's name */
	const char *checksum; /* SHA-256 of the file, hex */
	const char *sql;
	struct instant applied_at; /* unknown while pending */
};

/*
 * Reads the folder and the table schema_migrations (an absent table means: none applied).
 * FAIL_CONFLICT "migration_changed" when an applied file differs from its checksum,
 * "migration_missing" when the database has one that the folder lacks and `strict` is true (an
 * old binary on a newer schema is allowed otherwise), FAIL_INVALID "migration_invalid" for gaps
 * and bad names. `pending` counts those not applied.
 */
enum fail migrations_read(struct db *db, struct task *task, const char *folder,
                          struct migration **out, size_t *count, size_t *pending) MUST_CHECK;

/* Applies what is pending, each in a transaction of its own, under an advisory lock, so that
 * two at once end in the same schema. `applied` counts. */
enum fail migrations_apply(struct db *db, struct task *task, const char *folder,
                           size_t *applied) MUST_CHECK;

#endif
