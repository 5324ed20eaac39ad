/* generation.c: one loading of the configuration, and what its processes share. */
#include "billingd/generation.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/secrets.h"
#include "db/server.h"

enum { ARENA_LIMIT = 64 * 1024 * 1024 };
enum { CHECK_FAILED = 1, CHECK_FINE = 2, CHECK_SELLS = 4, CHECK_LIVE = 8 };

static enum fail
load(struct task *task, const struct generation *before, struct generation *out)
{
	TRY(app_settings_load(task, out->config_path, 0, &out->settings));
	TRY(app_settings_rules(task, &out->settings, &out->api.billing));
	if (before == NULL)
		return migrations_know(task, out->settings.migrations_dir, &out->migrations);
	out->migrations = migrations_copy(task->arena, &before->migrations);
	return FAIL_NONE;
}

struct generation *
generation_load(const char *config_path, const struct generation *before,
                void (*report)(const struct task *task))
{
	struct arena *arena = arena_new(ARENA_LIMIT);
	struct generation *generation = arena_alloc(arena, sizeof(*generation));
	struct task task = {.arena = arena, .request_id = "start"};

	generation->arena = arena;
	generation->number = before == NULL ? 1 : before->number + 1;
	generation->config_path = config_path;
	generation->secrets = secrets_open();
	if (generation->secrets < 0)
		(void)task_fail(&task, FAIL_INTERNAL, "internal_error", "no memory");
	else if (load(&task, before, generation) == FAIL_NONE)
		return generation;
	report(&task);
	generation_free(generation);
	return NULL;
}

void
generation_free(struct generation *generation)
{
	if (generation == NULL)
		return;
	if (generation->secrets >= 0)
		close(generation->secrets);
	arena_free(generation->arena);
}

static enum fail
check_migrations(struct task *task, const struct app_settings *settings,
                 const struct migration_list *known)
{
	const struct db_options options = app_settings_db(settings, "billingd check");
	const char *unreachable = server_unreachable(task->arena, &options);
	size_t pending = 0;
	struct db *db;
	enum fail kind;

	if (unreachable != NULL)
		return task_fail(task, FAIL_UNAVAILABLE, "database_unavailable",
		                 "the database cannot be reached, see DATABASE_URL: %s",
		                 unreachable);
	db = db_new(&options);
	kind = migrations_count_pending(db, task, known, &pending);
	db_free(db);
	TRY(kind);
	if (pending > 0)
		return task_fail(task, FAIL_CONFLICT, "migrations_pending",
		                 "%zu migration%s pending; run: billingctl migrate up", pending,
		                 pending == 1 ? " is" : "s are");
	return FAIL_NONE;
}

/* If the file cannot be read, every request that needs it would fail. */
static enum fail
check_authority(struct task *task, const char *setting, const char *path)
{
	if (*path == '\0' || access(path, R_OK) == 0)
		return FAIL_NONE;
	return task_fail(task, FAIL_INVALID, "invalid_setting",
	                 "setting %s: cannot read %s: %s", setting, path, strerror(errno));
}

static enum fail
check_authorities(struct task *task, const struct app_settings *settings)
{
	TRY(check_authority(task, "STRIPE_CA_FILE", settings->stripe_ca_file));
	TRY(check_authority(task, "WEBHOOK_CA_FILE", settings->webhook_ca_file));
	return check_authority(task, "SMTP_CA_FILE", settings->smtp_ca_file);
}

/* Reads the secrets, which the master did not, and stores them for the children. */
static enum fail
check_all(struct task *task, const struct generation *generation, struct billing *billing)
{
	struct app_settings full;
	const struct app_settings *settings = &full;
	struct license_keys keys;

	TRY(app_settings_load(task, generation->config_path, SECRETS_OF_SERVICE, &full));
	TRY(app_settings_rules(task, settings, billing));
	if (!secrets_write(generation->secrets, app_settings_table, settings))
		return task_fail(
		        task, FAIL_INVALID, "invalid_setting",
		        "the secrets cannot be stored: one is too long, or there is no "
		        "memory");
	TRY(license_keys_load(task, settings->keys_dir, true, clock_now_ms(), &keys));
	license_keys_release(&keys);
	TRY(check_authorities(task, settings));
	return check_migrations(task, settings, &generation->migrations);
}

/* In the child: the exit status tells whether all is fine, and what the master must know of
 * Stripe's key. */
static int
check_status(const struct generation *generation, void (*report)(const struct task *task))
{
	struct task task = {.arena = arena_new(ARENA_LIMIT), .request_id = "start"};
	struct billing billing;
	int status = CHECK_FAILED;

	if (check_all(&task, generation, &billing) == FAIL_NONE)
		status = CHECK_FINE | (billing.sales.configured ? CHECK_SELLS : 0) |
		         (billing.sales.live ? CHECK_LIVE : 0);
	else
		report(&task);
	arena_free(task.arena);
	return status;
}

pid_t
generation_start_check(const struct generation *generation,
                       void (*report)(const struct task *task))
{
	pid_t child = fork();

	if (child == 0)
		_exit(check_status(generation, report));
	return child;
}

bool
generation_end_check(struct generation *generation, int status)
{
	if (WIFSIGNALED(status))
		log_line(LOG_LEVEL_ERROR, "the check of the configuration was killed",
		         LOG_I("signal", WTERMSIG(status)));
	if (!WIFEXITED(status) || (WEXITSTATUS(status) & CHECK_FINE) == 0)
		return false;
	generation->api.billing.sales.configured = (WEXITSTATUS(status) & CHECK_SELLS) != 0;
	generation->api.billing.sales.live = (WEXITSTATUS(status) & CHECK_LIVE) != 0;
	return true;
}

bool
generation_check(struct generation *generation, void (*report)(const struct task *task))
{
	pid_t child = generation_start_check(generation, report);
	int status;

	return child > 0 && waitpid(child, &status, 0) == child &&
	       generation_end_check(generation, status);
}

void
generation_warm(const struct generation *generation)
{
	struct task task = {.arena = arena_new(ARENA_LIMIT), .request_id = "start"};
	const struct bytes nothing = {(const uint8_t *)"", 0};
	struct license_keys keys;

	/* A fault in the keys is for the check of the configuration to report. */
	if (license_keys_load(&task, generation->settings.keys_dir, false, clock_now_ms(),
	                      &keys) != FAIL_NONE ||
	    license_keys_warm(&task, &keys) != FAIL_NONE)
		task_clear(&task);
	license_keys_release(&keys);
	license_keys_warm_reader();
	(void)digest_hmac_sha256(nothing, &nothing, 1);
	arena_free(task.arena);
}
