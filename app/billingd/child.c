/* child.c: what one process makes for itself. */
#include "billingd/child.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/secrets.h"
#include "base/text.h"
#include "billing/host_plans.h"
#include "billingd/generation.h"
#include "billingd/jobs.h"
#include "billingd/signing.h"
#include "billingd/sold_terms.h"
#include "notices/send.h"
#include "stripe/client.h"
#include "webhooks/sender.h"

/* The time of one attempt of a request to Stripe, and how long a transaction may be idle while
 * a job sends such requests. All requests to Stripe of one API call together end within
 * STRIPE_DEADLINE_MS; jobs have a limit of their own. */
static const int64_t request_attempt_ms = 8000;
static const int64_t job_attempt_ms = 30000;

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

/* Ends the process when libcurl gave no client. */
static void
check_client(const void *client)
{
	if (client != NULL)
		return;
	log_line(LOG_LEVEL_ERROR, "libcurl cannot start");
	exit(70);
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
	check_client(client);
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
	check_client(sender);
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
	check_client(sender->client);
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
child_enter(const struct child *child)
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
child_leave(struct api *api)
{
	sold_terms_forget(api);
	stripe_client_free(api->stripe);
	if (api->mailer != NULL)
		mail_client_free(api->mailer->client);
	db_free(api->db);
	license_keys_release(&api->billing.keys);
}
