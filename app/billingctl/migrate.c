/* migrate.c: billingctl migrate status and up. */
#include "billingctl/output.h"
#include "db/migrations.h"

enum fail
run_migrate_status(struct ctl *ctl)
{
	struct output output = output_new(ctl);
	struct migration *migrations = NULL;
	size_t count = 0, pending = 0;

	TRY(ctl_open_database(ctl));
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

enum fail
run_migrate_up(struct ctl *ctl)
{
	struct output output = output_new(ctl);
	size_t applied = 0;

	TRY(ctl_open_database(ctl));
	TRY(migrations_apply(ctl->operation.db, &ctl->task, ctl->settings.migrations_dir,
	                     &applied));
	output_int(&output, "applied", (int64_t)applied);
	return output_print(&output);
}
