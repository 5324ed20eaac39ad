/* generation.c: one loading of the configuration, and what its processes share. */
#include "billingd/generation.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/secrets.h"
#include "base/text.h"
#include "billing/host_plans.h"
#include "billingd/jobs.h"
#include "billingd/signing.h"
#include "billingd/sold_terms.h"
#include "db/server.h"
#include "notices/send.h"
#include "stripe/client.h"
#include "webhooks/sender.h"

enum { ARENA_LIMIT = 64 * 1024 * 1024 };
enum { CHECK_FAILED = 1, CHECK_FINE = 2, CHECK_SELLS = 4, CHECK_LIVE = 8 };

/* The time of one attempt of a request to Stripe, and how long a transaction may be idle while
 * a job sends such requests. All requests to Stripe of one API call together end within
 * STRIPE_DEADLINE_MS; jobs have a limit of their own. */
static const int64_t request_attempt_ms = 8000;
static const int64_t job_attempt_ms = 30000;

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

static void
log_failure(const struct task *task)
{
	log_line(LOG_LEVEL_ERROR, "process cannot start",
	         LOG_S("reason", task->failure.message));
}

/* libpq and libfcgi print errors to stdio's stderr, where they would mix with the lines of the
 * log. The log writes to the descriptor itself and reports the same errors. */
static void
mute_libraries(void)
{
	FILE *nowhere = fopen("/dev/null", "we");

	if (nowhere != NULL)
		stderr = nowhere;
}

/* A process that waits for Stripe may be in a transaction meanwhile. */
static int64_t
pause_ms(const struct child *child)
{
	const int64_t by_use[] = {
	        [STRIPE_NEVER] = 0,
	        [STRIPE_IN_REQUESTS] = child->generation->settings.stripe_deadline_ms,
	        [STRIPE_IN_JOBS] = JOB_PAUSE_MS,
	};

	return by_use[child->role->stripe];
}

/* NULL if Stripe is not configured or the role does not use it. */
static struct stripe_client *
make_stripe(const struct child *child)
{
	const struct app_settings *settings = &child->generation->settings;
	int64_t deadline_ms = settings->stripe_deadline_ms;
	int64_t request_ms =
	        request_attempt_ms < deadline_ms ? request_attempt_ms : deadline_ms;
	bool in_job = child->role->stripe == STRIPE_IN_JOBS;
	const struct stripe_client_options options =
	        app_settings_stripe(settings, in_job ? job_attempt_ms : request_ms);
	struct stripe_client *client;

	if (child->role->stripe == STRIPE_NEVER || *settings->stripe_secret_key == '\0')
		return NULL;
	client = stripe_client_new(&options);
	if (client == NULL) {
		log_line(LOG_LEVEL_ERROR, "libcurl cannot start");
		exit(70);
	}
	return client;
}

/* NULL in a role that sends no events. */
static struct webhook_sender *
make_sender(const struct child *child)
{
	const struct app_settings *settings = &child->generation->settings;
	struct webhook_sender *sender;

	if (child->role->jobs != &webhook_jobs)
		return NULL;
	sender = webhook_sender_new(&(struct webhook_sender_options){
	        .keys_dir = settings->keys_dir,
	        .allowed = settings->webhook_allow,
	        .ca_file = text_or_null(settings->webhook_ca_file),
	});
	if (sender == NULL) {
		log_line(LOG_LEVEL_ERROR, "libcurl cannot start");
		exit(70);
	}
	return sender;
}

/* NULL where the role sends no notices. */
static struct notice_sender *
make_mailer(const struct child *child)
{
	const struct mail_client_options options =
	        app_settings_mail(&child->generation->settings);
	struct notice_sender *sender;

	if ((child->role->secrets & SECRET_MAIL) == 0)
		return NULL;
	sender = arena_alloc(child->generation->arena, sizeof(*sender));
	sender->client = mail_client_new(&options);
	if (sender->client == NULL) {
		log_line(LOG_LEVEL_ERROR, "libcurl cannot start");
		exit(70);
	}
	return sender;
}

/* Sets the secrets of the role, and closes the files that have the others. */
static bool
read_secrets(const struct child *child)
{
	struct generation *generation = child->generation;
	bool fine = secrets_read(generation->arena, generation->secrets, app_settings_table,
	                         child->role->secrets, &generation->settings);

	close(generation->secrets);
	generation->secrets = -1;
	secrets_close_hidden();
	generation->api.billing.sales.webhook_secrets =
	        generation->settings.stripe_webhook_secret;
	if (!fine)
		log_line(LOG_LEVEL_ERROR, "process cannot start",
		         LOG_S("reason", "the secrets cannot be read"));
	return fine;
}

/* One process of each host publishes the host's plans. */
static const char *
connection_name(const struct child *child)
{
	if (child->role->jobs != &local_jobs)
		return child->role->name;
	return host_plans_name(child->generation->arena, child->role->name,
	                       &child->generation->api.billing.plans, getppid());
}

/* Connects and loads the keys that the database has. False without the database: the process starts, and
 * connects later. */
static bool
enter_database(const struct child *child, struct task *task, struct api *out)
{
	const struct generation *generation = child->generation;
	struct db_options options =
	        app_settings_db(&generation->settings, connection_name(child));

	options.pause_ms = pause_ms(child);
	out->db = db_new(&options);
	if (db_connect(out->db, task) == FAIL_NONE) {
		signing_refresh(out);
		return true;
	}
	task_clear(task);
	log_line(LOG_LEVEL_WARNING, "starting without the database");
	return false;
}

/* The keys of the folder, where there are none of the database. Without keys in a role that does not
 * sign. */
static bool
load_keys(const struct child *child, struct task *task, struct license_keys *out)
{
	const char *folder = child->generation->settings.keys_dir;

	if (out->count > 0)
		return true;
	if (!child->role->signs) {
		license_keys_init(out);
		return true;
	}
	if (license_keys_load(task, folder, true, clock_now_ms(), out) == FAIL_NONE &&
	    license_keys_warm(task, out) == FAIL_NONE)
		return true;
	log_failure(task);
	license_keys_release(out);
	return false;
}

static void
make_clients(const struct child *child, struct api *out)
{
	out->stripe = make_stripe(child);
	out->webhooks = make_sender(child);
	out->mailer = make_mailer(child);
}

/* All of the API but the rules. */
static void
describe(const struct child *child, struct api *out)
{
	const struct generation *generation = child->generation;

	out->settings = &generation->settings;
	out->migrations = &generation->migrations;
	out->metrics = child->metrics;
	out->stripe_idle = child->stripe_idle;
	out->key_changes = child->role->signs ? child->key_changes : NULL;
	out->key_changes_seen = -1;
	out->pool = child->role->pool;
	out->pool_workers = child->role->count(generation);
	out->share = child->share;
	out->share_slot = child->share_slot;
	out->stopping = child->stopping;
}

struct api *
generation_enter(const struct child *child)
{
	struct generation *generation = child->generation;
	struct task task = {.arena = generation->arena, .request_id = child->role->name};
	struct api *out = &generation->api;
	bool connected;

	mute_libraries();
	if (!read_secrets(child))
		return NULL;
	describe(child, out);
	connected = enter_database(child, &task, out);
	if (!load_keys(child, &task, &out->billing.keys)) {
		db_free(out->db);
		return NULL;
	}
	make_clients(child, out);
	if (connected)
		sold_terms_load(out);
	(void)db_take_waited_us(out->db); /* no request waited for this */
	/* Memory that only the start needed. */
	(void)malloc_trim(0);
	return out;
}

void
generation_leave(struct api *api)
{
	sold_terms_forget(api);
	stripe_client_free(api->stripe);
	if (api->mailer != NULL)
		mail_client_free(api->mailer->client);
	db_free(api->db);
	license_keys_release(&api->billing.keys);
}
