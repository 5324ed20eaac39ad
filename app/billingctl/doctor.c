/*
 * doctor.c: looks for everything that could be wrong, and names each cure.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "accounts/schema.h"
#include "base/arena.h"
#include "base/text.h"
#include "billing/api_keys.h"
#include "billing/key_use.h"
#include "billingctl/doctor.h"
#include "billingctl/output.h"
#include "billingctl/probe.h"
#include "db/migrations.h"
#include "db/server.h"

enum { CLOCK_SLACK_MS = 2000, HTTP_OK = 200 };

static enum fail
look_at_settings(struct visit *visit)
{
	TRY(ctl_read_settings(visit->ctl));
	visit->detail =
	        visit->ctl->config == NULL ? "from the environment" : visit->ctl->config;
	return FAIL_NONE;
}

static enum fail
look_at_plans(struct visit *visit)
{
	struct ctl *ctl = visit->ctl;

	TRY(app_settings_rules(&ctl->task, &ctl->settings, &ctl->billing));
	visit->detail = arena_printf(ctl->task.arena, "%zu plans in %s",
	                             ctl->billing.plans.count, ctl->settings.plans_file);
	return FAIL_NONE;
}

static enum fail
look_at_signing_key(struct visit *visit)
{
	struct ctl *ctl = visit->ctl;
	struct license_keys *keys = &ctl->billing.keys;

	TRY(license_keys_load(&ctl->task, ctl->settings.keys_dir, true, clock_now_ms(), keys));
	TRY(license_keys_warm(&ctl->task, keys));
	visit->detail = license_keys_signing(keys)->kid;
	return FAIL_NONE;
}

static enum fail
look_at_rotation(struct visit *visit)
{
	const struct license_keys *keys = &visit->ctl->billing.keys;

	if (!keys->items[0].can_sign)
		return WRONG(visit, "A rotation of the keys was interrupted.");
	visit->detail =
	        arena_printf(visit->ctl->task.arena, "%zu keys are published", keys->count);
	return FAIL_NONE;
}

static enum fail
look_at_database(struct visit *visit)
{
	struct ctl *ctl = visit->ctl;
	const char *why;

	if (ctl_open_database(ctl) == FAIL_NONE) {
		visit->detail = "answers";
		return FAIL_NONE;
	}
	why = server_unreachable(ctl->task.arena, ctl->settings.database_url);
	task_clear(&ctl->task);
	return WRONG(visit, "It can't be reached: %s", why == NULL ? "it just came back" : why);
}

static enum fail
look_at_version(struct visit *visit)
{
	TRY(server_facts_read(visit->ctl->operation.db, &visit->ctl->task, &visit->facts));
	if (visit->facts.version_number < SERVER_VERSION_MIN)
		return WRONG(visit, "PostgreSQL %s is too old.", visit->facts.version);
	visit->detail =
	        arena_printf(visit->ctl->task.arena, "PostgreSQL %s", visit->facts.version);
	return FAIL_NONE;
}

static enum fail
look_at_encoding(struct visit *visit)
{
	visit->detail = visit->facts.encoding;
	if (strcmp(visit->facts.encoding, "UTF8") != 0)
		return WRONG(visit, "The database's encoding is %s, not UTF8.",
		             visit->facts.encoding);
	return FAIL_NONE;
}

static enum fail
look_at_checksums(struct visit *visit)
{
	visit->detail = "on";
	return visit->facts.checksums
	               ? FAIL_NONE
	               : WRONG(visit, "Data checksums are off: a damaged disk goes unnoticed.");
}

static enum fail
look_at_durability(struct visit *visit)
{
	visit->detail = "commits survive a crash";
	return visit->facts.durable
	               ? FAIL_NONE
	               : WRONG(visit, "fsync, full_page_writes or synchronous_commit is off: a "
	                              "crash loses what was acknowledged.");
}

static enum fail
look_at_writing(struct visit *visit)
{
	visit->detail = "yes";
	return visit->facts.read_only
	               ? WRONG(visit, "The database is read-only, or this server is a standby.")
	               : FAIL_NONE;
}

static enum fail
look_at_clock(struct visit *visit)
{
	struct task *task = &visit->ctl->task;
	int64_t before_ms = clock_now_ms(), off_ms;
	struct instant now;

	TRY(db_clock(visit->ctl->operation.db, task, &now));
	/* Half of the way there and back. */
	off_ms = now.ms - (before_ms + clock_now_ms()) / 2;
	visit->detail =
	        arena_printf(task->arena, "%lld ms off the database's", (long long)off_ms);
	if (off_ms < -CLOCK_SLACK_MS || off_ms > CLOCK_SLACK_MS)
		return WRONG(visit, "The clock is %lld ms off the database's.",
		             (long long)off_ms);
	return FAIL_NONE;
}

static enum fail
look_at_migrations(struct visit *visit)
{
	visit->detail = "all applied";
	return ctl_require_schema(visit->ctl);
}

static enum fail
check_statements(struct visit *visit, const struct statement_list *list)
{
	struct task *task = &visit->ctl->task;

	for (size_t i = 0; i < list->count; i++) {
		enum fail kind =
		        db_check_statement(visit->ctl->operation.db, task, &list->items[i]);

		/* PostgreSQL itself refused it, and its words stay in the log: name it at least. */
		if (kind != FAIL_NONE && strcmp(task->failure.code, "statement_differs") != 0) {
			task_clear(task);
			return WRONG(visit, "The statement %s doesn't fit the schema.",
			             list->items[i].name);
		}
		TRY(kind);
	}
	return FAIL_NONE;
}

/* In one transaction, so that a pooler gives one session. */
static enum fail
look_at_statements(struct visit *visit)
{
	struct db *db = visit->ctl->operation.db;
	struct task *task = &visit->ctl->task;

	visit->detail = "all fit the schema";
	TRY(db_begin(db, task));
	for (const struct statement_list *const *list = billing_statements; *list != NULL;
	     list++)
		TRY(check_statements(visit, *list));
	TRY(check_statements(visit, &migration_statements));
	return db_commit(db, task);
}

static enum fail
look_at_published_keys(struct visit *visit)
{
	struct key_use use = {.kid = NULL};
	char until[CLOCK_TEXT_SIZE];
	bool missing;

	visit->detail = "every live licence can be verified";
	TRY(key_use_find_missing(&visit->ctl->operation, &visit->ctl->billing.keys, &use,
	                         &missing));
	if (!missing)
		return FAIL_NONE;
	clock_format(use.last_expires_at.ms, until);
	return WRONG(visit,
	             "Licences signed by key %s are valid until %s, but it isn't published "
	             "that long.",
	             use.kid, until);
}

static enum fail
look_at_owners(struct visit *visit)
{
	struct ctl *ctl = visit->ctl;
	const struct api_key *keys = NULL;
	size_t count = 0, owners = 0;

	TRY(api_key_list(&ctl->operation, NULL, &keys, &count));
	for (size_t i = 0; i < count; i++)
		owners +=
		        !keys[i].revoked_at.known && strcmp(keys[i].role, "owner") == 0 ? 1 : 0;
	visit->detail = arena_printf(ctl->task.arena, "%zu", owners);
	return owners > 0 ? FAIL_NONE : WRONG(visit, "No operator has the role owner.");
}

static enum fail
look_at_path(struct visit *visit, const char *path)
{
	struct stat status;

	visit->detail = path;
	if (stat(path, &status) != 0)
		return WRONG(visit, "There is no socket at %s.", path);
	if (!S_ISSOCK(status.st_mode))
		return WRONG(visit, "%s isn't a socket.", path);
	if ((status.st_mode & S_IRWXO) != 0)
		return WRONG(visit, "Everybody may use %s (run: chmod o= %s).", path, path);
	return FAIL_NONE;
}

static enum fail
look_at_socket(struct visit *visit)
{
	return look_at_path(visit, visit->ctl->settings.socket);
}

static enum fail
look_at_stripe_socket(struct visit *visit)
{
	return look_at_path(visit, visit->ctl->settings.stripe_socket);
}

static enum fail
look_at_service(struct visit *visit)
{
	struct ctl *ctl = visit->ctl;
	struct probe_answer answer;

	TRY(probe_get(&ctl->task, ctl->settings.socket, "/health/ready", &answer));
	if (answer.status != HTTP_OK)
		return WRONG(visit, "billingd isn't ready: %s", answer.body);
	visit->detail = "ready";
	return FAIL_NONE;
}

/* A rotation counts only once billingd was reloaded. */
static enum fail
look_at_reload(struct visit *visit)
{
	struct ctl *ctl = visit->ctl;
	const char *kid = ctl->billing.keys.items[0].kid;
	struct probe_answer answer;

	TRY(probe_get(&ctl->task, ctl->settings.socket, "/.well-known/jwks.json", &answer));
	if (strstr(answer.body, kid) == NULL)
		return WRONG(visit, "billingd doesn't know the newest key %s.", kid);
	visit->detail = "knows the newest key";
	return FAIL_NONE;
}

// clang-format off
static const struct check checks[] = {
	{"settings", look_at_settings, NOTHING, SETTINGS, "correct it; billingd --settings lists them all"},
	{"plans", look_at_plans, SETTINGS, RULES, "correct the file that PLANS_FILE names"},
	{"signing_key", look_at_signing_key, SETTINGS, KEYS, "correct KEYS_DIR, or restore its files from the backup"},
	{"key_rotation", look_at_rotation, KEYS, NOTHING, "billingctl keys rotate"},
	{"database", look_at_database, SETTINGS, DATABASE, "start PostgreSQL, or correct DATABASE_URL"},
	{"version", look_at_version, DATABASE, FACTS, "upgrade to PostgreSQL 15 or newer"},
	{"encoding", look_at_encoding, FACTS, NOTHING, "createdb --encoding=UTF8 --template=template0 NAME, and move the data"},
	{"checksums", look_at_checksums, FACTS, NOTHING, "stop PostgreSQL, pg_checksums --enable, start it"},
	{"durability", look_at_durability, FACTS, NOTHING, "switch them on in postgresql.conf"},
	{"writable", look_at_writing, FACTS, NOTHING, "name the primary in DATABASE_URL, or add target_session_attrs=read-write"},
	{"clock", look_at_clock, DATABASE, NOTHING, "synchronise both clocks by NTP"},
	{"migrations", look_at_migrations, DATABASE, SCHEMA, "put the migrations back as they were released"},
	{"statements", look_at_statements, SCHEMA, NOTHING, "undo what was changed in the schema by hand"},
	{"published_keys", look_at_published_keys, SCHEMA | KEYS, NOTHING, "restore KEYS_DIR/retired from the backup, or set the key's Publish-Until later"},
	{"owners", look_at_owners, SCHEMA, NOTHING, "billingctl operator create NAME --role owner"},
	{"socket", look_at_socket, SETTINGS, SERVICE, "start billingd, or correct BILLING_SOCKET"},
	{"stripe_socket", look_at_stripe_socket, SETTINGS, NOTHING, "start billingd, or correct BILLING_STRIPE_SOCKET"},
	{"service", look_at_service, SERVICE, NOTHING, "see billingd's log, then restart it"},
	{"reload", look_at_reload, SERVICE | KEYS, NOTHING, "send HUP to billingd"},
	{"stripe_key", look_at_stripe_key, RULES | SELLS, STRIPE, "correct STRIPE_SECRET_KEY, STRIPE_API_BASE or the way there"},
	{"stripe_prices", look_at_stripe_prices, STRIPE | SELLS, NOTHING, "billingctl stripe setup, or correct STRIPE_PRICE_..."},
	{"stripe_meters", look_at_stripe_meters, STRIPE | SELLS, NOTHING, "billingctl stripe setup, or correct PLANS_FILE"},
	{"stripe_webhook", look_at_stripe_webhook, STRIPE | SELLS, NOTHING, "billingctl stripe setup --secret-out FILE"},
	{"stripe_portal", look_at_stripe_portal, STRIPE | SELLS, NOTHING, "save the settings of the customer portal once, in Stripe's dashboard"},
	{"stripe_mode", look_at_stripe_mode, SCHEMA | RULES | SELLS, NOTHING, "let the webhook endpoint of the key's mode alone send to this service"},
	{"stripe_parked", look_at_stripe_parked, SCHEMA | SELLS, NOTHING, "billingctl stripe events --state parked, stripe calls, stripe meters; then stripe retry"},
	{"stripe_sweeps", look_at_stripe_sweeps, SCHEMA | SELLS, NOTHING, "see billingd's log for what keeps it from asking Stripe"},
};
// clang-format on

/* The command in "(run: ...)" of the message, else what the check says. */
static const char *
cure_of(struct arena *arena, const struct check *check, const char *message)
{
	const char *run = strstr(message, "(run: ");

	if (run == NULL)
		return check->cure;
	run += strlen("(run: ");
	return arena_copy_bytes(arena, run, strcspn(run, ")"));
}

static void
report(struct output *output, const char *name, const char *state, const char *detail,
       const char *cure)
{
	output_row(output);
	output_text(output, "state", state);
	output_text(output, "check", name);
	output_text(output, "detail", detail);
	if (cure != NULL && !output->json) {
		output_row(output);
		output_text(output, "state", "");
		output_text(output, "check", "");
		output_text(output, "detail",
		            arena_printf(output->task->arena, "Cure: %s", cure));
	} else if (output->json) {
		output_text(output, "cure", cure);
	}
}

/* What asks about Stripe has nothing to say where nothing is sold through it. */
static bool
applies(const struct visit *visit, const struct check *check, unsigned int known)
{
	const char *key = visit->ctl->settings.stripe_secret_key;

	return (check->needs & SELLS) == 0 || ((known & SETTINGS) != 0 && *key != '\0');
}

/* Reports one check; false when something is wrong. */
static bool
perform(struct visit *visit, struct output *output, const struct check *check,
        unsigned int *known)
{
	struct task *task = &visit->ctl->task;
	const char *message;

	if (!applies(visit, check, *known))
		return true;
	if ((check->needs & ~*known & ~(unsigned int)SELLS) != 0) {
		report(output, check->name, "skipped", "something above is wrong", NULL);
		return true;
	}
	if (check->look(visit) == FAIL_NONE) {
		*known |= check->gives;
		report(output, check->name, "ok", visit->detail, NULL);
		return true;
	}
	message = task->failure.message;
	task_clear(task);
	if (visit->ctl->operation.db != NULL)
		db_rollback_to(visit->ctl->operation.db, 0);
	report(output, check->name, output->json ? "wrong" : "WRONG", message,
	       cure_of(task->arena, check, message));
	return false;
}

enum fail
run_doctor(struct ctl *ctl)
{
	struct visit visit = {.ctl = ctl};
	struct output output = output_new(ctl);
	unsigned int known = NOTHING;
	size_t wrong = 0, count = sizeof(checks) / sizeof(*checks);

	output_list(&output, "checks");
	for (size_t i = 0; i < count; i++)
		wrong += perform(&visit, &output, &checks[i], &known) ? 0 : 1;
	output_list_end(&output);
	if (ctl->json)
		output_bool(&output, "ok", wrong == 0);
	TRY(output_print(&output));
	if (wrong > 0)
		return WRONG(&visit, "%zu of %zu checks found something wrong.", wrong, count);
	return FAIL_NONE;
}
