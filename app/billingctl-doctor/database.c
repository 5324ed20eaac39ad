/* database.c: the checks of the server of the database, of its clock, and of the schema. */
#include <string.h>

#include "accounts/schema.h"
#include "billingctl-doctor/doctor.h"
#include "db/migrations.h"

enum { CLOCK_SLACK_MS = 2000 };

enum fail
check_database(struct doctor *doctor)
{
	struct ctl *ctl = doctor->ctl;
	const struct db_options options = app_settings_db(&ctl->settings, "billingctl");
	const char *why, *lacks;

	if (ctl_open_database(ctl) == FAIL_NONE)
		return doctor_ok(doctor, "answers");
	why = server_unreachable(ctl->task.arena, &options);
	task_clear(&ctl->task);
	lacks = server_pooler_lacks(why);
	if (lacks != NULL)
		return WRONG(doctor,
		             "PgBouncer refuses the connection: %s (run: set %s in "
		             "pgbouncer.ini, and reload PgBouncer)",
		             why, lacks);
	return WRONG(doctor, "It cannot be reached: %s",
	             why == NULL ? "it just came back" : why);
}

enum fail
check_version(struct doctor *doctor)
{
	TRY(server_facts_read(doctor->ctl->operation.db, &doctor->ctl->task, &doctor->facts));
	if (doctor->facts.version_number < SERVER_VERSION_MIN)
		return WRONG(doctor, "PostgreSQL %s is too old.", doctor->facts.version);
	return doctor_ok(doctor, "PostgreSQL %s", doctor->facts.version);
}

enum fail
check_encoding(struct doctor *doctor)
{
	const char *encoding = doctor->facts.encoding;

	return strcmp(encoding, "UTF8") == 0
	               ? doctor_ok(doctor, "%s", encoding)
	               : WRONG(doctor, "The database's encoding is %s, not UTF8.", encoding);
}

enum fail
check_collation(struct doctor *doctor)
{
	const char *locale = doctor->facts.locale;

	if (doctor->facts.collation_stale)
		return WRONG(
		        doctor,
		        "The system sorts texts by other rules than when the database was "
		        "made (%s): indexes may miss rows (run: REINDEX DATABASE and ALTER "
		        "DATABASE ... REFRESH COLLATION VERSION).",
		        locale);
	if (!doctor->facts.ascii_case)
		return WRONG(doctor,
		             "In the database's locale, %s, i and I are two letters: other "
		             "programs than this version may take one address for two.",
		             locale);
	return doctor_ok(doctor, "%s", locale);
}

/* Debian makes clusters without them, and nothing that this program does needs them. */
enum fail
check_checksums(struct doctor *doctor)
{
	return doctor->facts.checksums
	               ? doctor_ok(doctor, "on")
	               : doctor_warn(doctor,
	                             "Data checksums are off: a damaged disk goes unnoticed.");
}

enum fail
check_durability(struct doctor *doctor)
{
	return doctor->facts.durable
	               ? doctor_ok(doctor, "commits survive a crash")
	               : WRONG(doctor,
	                       "fsync, full_page_writes or synchronous_commit is off: a "
	                       "crash loses what was acknowledged.");
}

enum fail
check_writing(struct doctor *doctor)
{
	return doctor->facts.read_only
	               ? WRONG(doctor,
	                       "The database is read-only, or this server is a standby.")
	               : doctor_ok(doctor, "yes");
}

enum fail
check_clock(struct doctor *doctor)
{
	int64_t before_ms = clock_now_ms(), off_ms;
	struct instant now;

	TRY(db_clock(doctor->ctl->operation.db, &doctor->ctl->task, &now));
	/* Compared with the middle of the request. */
	off_ms = now.ms - (before_ms + clock_now_ms()) / 2;
	if (off_ms < -CLOCK_SLACK_MS || off_ms > CLOCK_SLACK_MS)
		return WRONG(doctor, "The clock is %lld ms off the database's.",
		             (long long)off_ms);
	return doctor_ok(doctor, "%lld ms off the database's", (long long)off_ms);
}

enum fail
check_migrations(struct doctor *doctor)
{
	TRY(ctl_require_schema(doctor->ctl));
	return doctor_ok(doctor, "all applied");
}

static enum fail
check_statement_list(struct doctor *doctor, const struct statement_list *list)
{
	struct task *task = &doctor->ctl->task;

	for (size_t i = 0; i < list->count; i++) {
		enum fail kind =
		        db_check_statement(doctor->ctl->operation.db, task, &list->items[i]);

		if (kind != FAIL_NONE && strcmp(task->failure.code, "statement_differs") != 0) {
			task_clear(task);
			return WRONG(doctor, "PostgreSQL refuses the statement %s: %s",
			             list->items[i].name,
			             db_last_error(doctor->ctl->operation.db));
		}
		TRY(kind);
	}
	return FAIL_NONE;
}

/* Uses one transaction, so that a connection pooler gives one session. */
enum fail
check_statements(struct doctor *doctor)
{
	struct db *db = doctor->ctl->operation.db;
	struct task *task = &doctor->ctl->task;

	TRY(db_begin(db, task));
	for (const struct statement_list *const *list = billing_statements; *list != NULL;
	     list++)
		TRY(check_statement_list(doctor, *list));
	TRY(check_statement_list(doctor, &migration_statements));
	TRY(db_commit(db, task));
	return doctor_ok(doctor, "all fit the schema");
}
