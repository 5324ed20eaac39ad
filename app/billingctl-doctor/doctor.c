/* doctor.c: billingctl doctor: checks the installation, and names a cure for each fault. */
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "billing/customer_keys.h"
#include "billingctl-doctor/doctor.h"
#include "billingctl/output.h"
#include "billingctl/probe.h"
#include "callers/api_keys.h"
#include "counting/fold.h"
#include "issuing/revocation_list.h"

enum { USAGE_WAIT_MAX_S = 60, HTTP_OK = 200 };

enum fail
doctor_ok(struct doctor *doctor, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	doctor->detail = arena_vprintf(doctor->ctl->task.arena, format, arguments);
	va_end(arguments);
	return FAIL_NONE;
}

enum fail
doctor_warn(struct doctor *doctor, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	doctor->detail = arena_vprintf(doctor->ctl->task.arena, format, arguments);
	va_end(arguments);
	doctor->warns = true;
	return FAIL_NONE;
}

static enum fail
check_settings(struct doctor *doctor)
{
	TRY(ctl_read_settings(doctor->ctl, SECRETS_OF_SERVICE));
	return doctor_ok(doctor, "%s",
	                 doctor->ctl->config == NULL ? "from the environment"
	                                             : doctor->ctl->config);
}

static enum fail
check_plans(struct doctor *doctor)
{
	struct ctl *ctl = doctor->ctl;

	TRY(app_settings_rules(&ctl->task, &ctl->settings, &ctl->billing));
	return doctor_ok(doctor, "%zu plans in %s", ctl->billing.plans.count,
	                 ctl->settings.plans_file);
}

static enum fail
check_revocations(struct doctor *doctor)
{
	struct operation *operation = &doctor->ctl->operation;
	struct revocation_list_figures figures;
	const char *fault;

	TRY(revocation_list_figures(operation, &figures));
	fault = revocation_list_fault(operation, &figures);
	if (figures.behind_since.known)
		return WRONG(doctor, "%s (run: billingctl restore check)", fault);
	return fault != NULL ? WRONG(doctor, "%s", fault)
	                     : doctor_ok(doctor, "list %lld, %lld entries, %lld bytes",
	                                 (long long)figures.number, (long long)figures.entries,
	                                 (long long)figures.bytes);
}

static enum fail
check_license_life(struct doctor *doctor)
{
	const struct billing_policy *policy = &doctor->ctl->billing.policy;

	if (policy->paid_through)
		return doctor_ok(doctor, "ends %lld days after the paid period",
		                 (long long)policy->license_grace_days);
	return doctor_ok(doctor,
	                 "LICENSE_EXPIRY=ttl: %lld days from issue, so a customer who cancels "
	                 "and stays offline keeps it for as long (paid_through: until the paid "
	                 "period ends)",
	                 (long long)policy->license_ttl_days);
}

static enum fail
check_owners(struct doctor *doctor)
{
	struct ctl *ctl = doctor->ctl;
	const struct api_key *keys = NULL;
	size_t count = 0, owners = 0;

	TRY(api_key_list(&ctl->operation, NULL, &keys, &count));
	for (size_t i = 0; i < count; i++)
		owners +=
		        !keys[i].revoked_at.known && strcmp(keys[i].role, "owner") == 0 ? 1 : 0;
	return owners > 0 ? doctor_ok(doctor, "%zu", owners)
	                  : WRONG(doctor, "No operator has the role owner.");
}

static enum fail
check_addresses(struct doctor *doctor)
{
	struct shared_addresses shared = {.count = 0};

	TRY(customer_keys_shared(&doctor->ctl->operation, &shared));
	return shared.count == 0
	               ? doctor_ok(doctor, "one customer for each")
	               : WRONG(doctor,
	                       "Customers with the address of an older customer: %lld, one "
	                       "is %s.",
	                       (long long)shared.count, shared.customer_id);
}

static enum fail
check_usage(struct doctor *doctor)
{
	struct operation *operation = &doctor->ctl->operation;
	struct usage_figures figures;
	int64_t waited_s;

	TRY(usage_figures(operation, &figures));
	waited_s = seconds_since(operation, figures.pending_since);
	if (waited_s <= USAGE_WAIT_MAX_S)
		return doctor_ok(doctor, "%lld reports wait to be counted",
		                 (long long)figures.pending);
	return WRONG(
	        doctor,
	        "Reports that wait to be counted in the sums: %lld, the oldest for %lld s.",
	        (long long)figures.pending, (long long)waited_s);
}

static enum fail
check_path(struct doctor *doctor, const char *path)
{
	struct stat status;

	if (stat(path, &status) != 0)
		return WRONG(doctor, "There is no socket at %s.", path);
	if (!S_ISSOCK(status.st_mode))
		return WRONG(doctor, "%s isn't a socket.", path);
	if ((status.st_mode & S_IRWXO) != 0)
		return WRONG(doctor, "Everybody may use %s (run: chmod o= %s).", path, path);
	return doctor_ok(doctor, "%s", path);
}

static enum fail
check_socket(struct doctor *doctor)
{
	return check_path(doctor, doctor->ctl->settings.socket);
}

static enum fail
check_stripe_socket(struct doctor *doctor)
{
	return check_path(doctor, doctor->ctl->settings.stripe_socket);
}

static enum fail
check_service(struct doctor *doctor)
{
	struct ctl *ctl = doctor->ctl;
	struct probe_answer answer;

	TRY(probe_get(&ctl->task, ctl->settings.socket, "/health/ready", &answer));
	if (answer.status != HTTP_OK)
		return WRONG(doctor, "billingd isn't ready: %s", answer.body);
	return doctor_ok(doctor, "ready");
}

// clang-format off
static const struct check checks[] = {
	{"settings", check_settings, NOTHING, SETTINGS, "correct it; billingd --settings lists them all"},
	{"settings_file", check_settings_file, SETTINGS, NOTHING, "chgrp it to a group in which nginx is not, and chmod 640"},
	{"plans", check_plans, SETTINGS, RULES, "correct the file that PLANS_FILE or BRAND_FILE names"},
	{"signing_key", check_signing_key, SETTINGS, KEYS, "correct KEYS_DIR, or restore its files from the backup"},
	{"database", check_database, SETTINGS, DATABASE, "start PostgreSQL, or correct DATABASE_URL"},
	{"version", check_version, DATABASE, FACTS, "upgrade to PostgreSQL 15 or newer"},
	{"encoding", check_encoding, FACTS, NOTHING, "createdb --encoding=UTF8 --template=template0 NAME, and move the data"},
	{"collation", check_collation, FACTS, NOTHING, "createdb --locale=C.UTF-8 --template=template0 NAME, and move the data"},
	{"checksums", check_checksums, FACTS, NOTHING, "stop PostgreSQL, pg_checksums --enable, start it"},
	{"durability", check_durability, FACTS, NOTHING, "switch them on in postgresql.conf"},
	{"writable", check_writing, FACTS, NOTHING, "name the primary in DATABASE_URL, or add target_session_attrs=read-write"},
	{"standby", check_standby, FACTS, NOTHING, "start the standby, or take it out of synchronous_standby_names and reload PostgreSQL"},
	{"tls", check_tls, FACTS, NOTHING, "add sslmode=verify-full and sslrootcert=FILE to DATABASE_URL"},
	{"archive", check_archive, FACTS, NOTHING, "see PostgreSQL's log, and SELECT * FROM pg_stat_archiver; start the standby, or SELECT pg_drop_replication_slot(NAME)"},
	{"connections", check_connections, FACTS | RULES, NOTHING, "raise max_connections of PostgreSQL, lower WORKERS, or use PgBouncer; see billing.conf(5), WORKERS"},
	{"clock", check_clock, DATABASE, NOTHING, "synchronise both clocks by NTP"},
	{"migrations", check_migrations, DATABASE, SCHEMA, "put the migrations back as they were released"},
	{"database_role", check_role, SCHEMA, NOTHING, "name the owner in DATABASE_OWNER_URL and another role in DATABASE_URL, then: billingctl migrate up"},
	{"time_limits", check_limits, DATABASE, NOTHING, "billingctl migrate up, or as the role: ALTER ROLE ... SET statement_timeout, lock_timeout, idle_in_transaction_session_timeout"},
	{"statements", check_statements, SCHEMA, STATEMENTS, "undo what was changed in the schema by hand"},
	{"plans_in_force", check_plans_in_force, SCHEMA | RULES | STATEMENTS, NOTHING, "billingctl plans diff, then reload billingd; put a plan back that customers have, or move them to another one"},
	{"plans_of_hosts", check_plans_of_hosts, SCHEMA | RULES | STATEMENTS, NOTHING, "copy PLANS_FILE of the right host to the others, and send HUP to billingd there"},
	{"key_rotation", check_rotation, SCHEMA | KEYS, NOTHING, "copy the file into KEYS_DIR, mode 0600; billingd takes it within seconds"},
	{"published_keys", check_published_keys, SCHEMA | KEYS, NOTHING, "restore the table signing_keys, or KEYS_DIR/retired and reload billingd"},
	{"addresses", check_addresses, SCHEMA, NOTHING, "give each an address of its own, or delete it: PATCH or DELETE /api/customers/ID"},
	{"revocations", check_revocations, SCHEMA, NOTHING, "look in billingd's log for failures of the job sign_revocations"},
	{"revocations_file", check_published_list, SCHEMA, NOTHING, "name in the settings file the REVOCATIONS_FILE that billingd has (systemctl show --property Environment billingd); else look in billingd's log for failures of the job publish_revocations"},
	{"usage_sums", check_usage, SCHEMA, NOTHING, "start billingd, or look in its log for failures of the job fold_usage"},
	{"contracts", check_contracts, SCHEMA | STATEMENTS, NOTHING, "billingctl stripe calls --state parked, then stripe retry; cancel in Stripe's dashboard the subscriptions of contracts that are over"},
	{"audit_trail", check_audit, SCHEMA | STATEMENTS, NOTHING, "start billingd, or look in its log for failures of the job chain_audit"},
	{"events", check_events, SCHEMA | STATEMENTS, NOTHING, "end that transaction: SELECT pg_terminate_backend(PROCESS), or ROLLBACK PREPARED; start billingd, whose jobs make the tables of months"},
	{"revenue", check_revenue, SCHEMA | STATEMENTS, NOTHING, "start billingd, or look in its log for failures of the job settle_revenue"},
	{"webhooks", check_webhooks, SCHEMA | STATEMENTS, NOTHING, "billingctl webhooks deliveries ENDPOINT shows why; mend the receiver, then webhooks enable, or webhooks remove"},
	{"mail", check_mail, SCHEMA | RULES | STATEMENTS, NOTHING, "see billingctl notices test ADDRESS, and notices list"},
	{"license_life", check_license_life, RULES, NOTHING, "set LICENSE_EXPIRY"},
	{"pooler", check_pooler, FACTS, NOTHING, "set DB_PREPARED=off, unless the pooler pools sessions"},
	{"owners", check_owners, SCHEMA, NOTHING, "billingctl operator create NAME --role owner"},
	{"socket", check_socket, SETTINGS, SERVICE, "start billingd, or correct BILLING_SOCKET"},
	{"stripe_socket", check_stripe_socket, SETTINGS, NOTHING, "start billingd, or correct BILLING_STRIPE_SOCKET"},
	{"service", check_service, SERVICE, NOTHING, "see billingd's log, then restart it"},
	{"reload", check_reload, SERVICE | SCHEMA, NOTHING, "send HUP to billingd"},
	{"stripe_key", check_stripe_key, RULES | SELLS, STRIPE, "correct STRIPE_SECRET_KEY, STRIPE_API_BASE or the way there"},
	{"stripe_account", check_stripe_account, STRIPE | SCHEMA | SELLS, NOTHING, "correct STRIPE_SECRET_KEY, or see billingctl stripe account"},
	{"stripe_prices", check_stripe_prices, STRIPE | SELLS, NOTHING, "billingctl stripe setup, or correct STRIPE_PRICES"},
	{"stripe_meters", check_stripe_meters, STRIPE | SELLS, NOTHING, "billingctl stripe setup, or correct PLANS_FILE"},
	{"stripe_checkout", check_stripe_checkout, RULES | SELLS, NOTHING, "leave STRIPE_API_VERSION out, or set a version that is tested"},
	{"stripe_webhook", check_stripe_webhook, STRIPE | SELLS, NOTHING, "billingctl stripe setup --secret-out FILE"},
	{"stripe_portal", check_stripe_portal, STRIPE | SELLS, NOTHING, "save the settings of the customer portal once, in Stripe's dashboard"},
	{"stripe_mode", check_stripe_mode, SCHEMA | RULES | SELLS, NOTHING, "let the webhook endpoint of the key's mode alone send to this service"},
	{"stripe_parked", check_stripe_parked, SCHEMA | SELLS, NOTHING, "billingctl stripe events --state parked, stripe calls, stripe meters; then stripe retry"},
	{"stripe_unknown", check_stripe_unknown, SCHEMA | SELLS, NOTHING, "billingctl stripe unknown, then stripe map PRICE PLAN, or --not-ours"},
	{"stripe_sweeps", check_stripe_sweeps, SCHEMA | SELLS, NOTHING, "see billingd's log for what keeps it from asking Stripe"},
};
// clang-format on

/* The command in "(run: ...)" of the message, else the cure in the table. */
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
report_row(struct output *output, const char *state, const char *name, const char *detail)
{
	output_row(output);
	output_text(output, "state", state);
	output_text(output, "check", name);
	output_text(output, "detail", detail);
}

static void
report(struct output *output, const char *name, const char *state, const char *detail,
       const char *cure)
{
	report_row(output, state, name, detail);
	if (output->json)
		output_text(output, "cure", cure);
	else if (cure != NULL)
		report_row(output, "", "", arena_printf(output->task->arena, "Cure: %s", cure));
}

static void
report_fine(const struct doctor *doctor, struct output *output, const struct check *check)
{
	if (!doctor->warns)
		report(output, check->name, "ok", doctor->detail, NULL);
	else
		report(output, check->name, output->json ? "warning" : "WARNING",
		       doctor->detail, cure_of(output->task->arena, check, doctor->detail));
}

/* Checks of Stripe are left out without STRIPE_SECRET_KEY. */
static bool
applies(const struct doctor *doctor, const struct check *check, unsigned int known)
{
	const char *key = doctor->ctl->settings.stripe_secret_key;

	return (check->needs & SELLS) == 0 || ((known & SETTINGS) != 0 && *key != '\0');
}

/* Runs one check and reports it; false when something is wrong. */
static bool
perform(struct doctor *doctor, struct output *output, const struct check *check,
        unsigned int *known)
{
	struct task *task = &doctor->ctl->task;
	const char *message;

	if (!applies(doctor, check, *known))
		return true;
	if ((check->needs & ~*known & ~(unsigned int)SELLS) != 0) {
		report(output, check->name, "skipped", "something above is wrong", NULL);
		return true;
	}
	doctor->warns = false;
	if (check->run(doctor) == FAIL_NONE) {
		*known |= check->gives;
		report_fine(doctor, output, check);
		return true;
	}
	message = task->failure.message;
	task_clear(task);
	if (doctor->ctl->operation.db != NULL)
		db_rollback_to(doctor->ctl->operation.db, 0);
	report(output, check->name, output->json ? "wrong" : "WRONG", message,
	       cure_of(task->arena, check, message));
	return false;
}

enum fail
run_doctor(struct ctl *ctl)
{
	struct doctor doctor = {.ctl = ctl};
	struct output output = output_new(ctl);
	unsigned int known = NOTHING;
	size_t wrong = 0, count = sizeof(checks) / sizeof(*checks);

	output_list(&output, "checks");
	for (size_t i = 0; i < count; i++)
		wrong += perform(&doctor, &output, &checks[i], &known) ? 0 : 1;
	output_list_end(&output);
	if (ctl->json)
		output_bool(&output, "ok", wrong == 0);
	TRY(output_print(&output));
	if (wrong > 0)
		return WRONG(&doctor, "%zu of %zu checks found something wrong.", wrong, count);
	return FAIL_NONE;
}
