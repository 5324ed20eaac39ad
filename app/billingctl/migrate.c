/* migrate.c: billingctl migrate status and up. */
#include "accounts/schema.h"
#include "base/arena.h"
#include "billing/customer_keys.h"
#include "billingctl/output.h"
#include "db/migrations.h"
#include "db/role.h"

enum { KEYS_BATCH = 1000, ARENA_LIMIT = 64 * 1024 * 1024 };

enum fail
run_migrate_status(struct ctl *ctl)
{
	struct output output = output_new(ctl);
	struct migration *migrations = NULL;
	size_t count = 0, pending = 0;

	TRY(ctl_open_owner(ctl));
	TRY(migrations_read(ctl->operation.db, &ctl->task, ctl->settings.migrations_dir,
	                    &migrations, &count, &pending));
	output_list(&output, "migrations");
	for (size_t i = 0; i < count; i++) {
		output_row(&output);
		output_int(&output, "version", migrations[i].version);
		output_text(&output, "name", migrations[i].name);
		output_bool(&output, "applied", migrations[i].applied_at.known);
		output_time(&output, "applied_at", migrations[i].applied_at);
	}
	output_list_end(&output);
	output_int(&output, "pending", (int64_t)pending);
	return output_print(&output);
}

static enum fail
require_owner(struct ctl *ctl)
{
	struct role_facts facts;

	TRY(role_facts_read(ctl->operation.db, &ctl->task, &facts));
	if (facts.owns)
		return FAIL_NONE;
	return task_fail(&ctl->task, FAIL_FORBIDDEN, "not_the_owner",
	                 "The role %s does not own the schema; name the owner in "
	                 "DATABASE_OWNER_URL.",
	                 facts.name);
}

/* One batch, which is small, so that no writer waits long. */
static enum fail
fill_batch(struct ctl *ctl, struct arena *arena, int64_t *done)
{
	struct operation operation = ctl->operation;
	struct task task = {.arena = arena, .request_id = ctl->task.request_id};

	operation.task = &task;
	operation.batch = KEYS_BATCH;
	if (customer_keys_fill(&operation, done) == FAIL_NONE)
		return FAIL_NONE;
	return task_fail(&ctl->task, task.failure.kind, task.failure.code, "%s",
	                 task.failure.message);
}

/* The customers' keys, which SQL cannot compute for the rows that exist. */
static enum fail
fill_keys(struct ctl *ctl)
{
	struct arena *arena = arena_new(ARENA_LIMIT);
	enum fail kind;
	int64_t done;

	do {
		kind = fill_batch(ctl, arena, &done);
		arena_reset(arena);
	} while (kind == FAIL_NONE && done > 0);
	arena_free(arena);
	return kind;
}

enum fail
run_migrate_up(struct ctl *ctl)
{
	struct db_options service = app_settings_db(&ctl->settings, "billingctl");
	struct output output = output_new(ctl);
	struct db *db;
	size_t applied = 0;

	TRY(ctl_open_owner(ctl));
	db = ctl->operation.db;
	TRY(require_owner(ctl));
	TRY(migrations_apply(db, &ctl->task, ctl->settings.migrations_dir, &applied));
	service.pause_ms = JOB_PAUSE_MS;
	TRY(role_prepare(db, &ctl->task, &service, accounts_grants_sql));
	TRY(fill_keys(ctl));
	output_int(&output, "applied", (int64_t)applied);
	return output_print(&output);
}
