/* migrate.c: billingctl migrate status and up. */
#include "accounts/schema.h"
#include "billingctl/output.h"
#include "db/migrations.h"
#include "db/role.h"

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
	output_int(&output, "applied", (int64_t)applied);
	return output_print(&output);
}
