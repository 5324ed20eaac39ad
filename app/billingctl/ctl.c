/* ctl.c: opens settings, database, plans, keys and Stripe's client for a command, and reads its
 * files. */
#include <pwd.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "billing/plan_terms.h"
#include "billingctl/ctl.h"
#include "db/migrations.h"
#include "issuing/signing_keys.h"

enum { LIMIT_MAX = 1000 };

const struct command *
ctl_next(const struct command *command)
{
	command++;
	return command->group == NULL ? command->more : command;
}

enum fail
ctl_usage(struct ctl *ctl, const char *format, ...)
{
	const char *group = ctl->group, *message;
	const char *name = ctl->command == NULL ? NULL : ctl->command->name;
	va_list arguments;

	va_start(arguments, format);
	message = arena_vprintf(ctl->task.arena, format, arguments);
	va_end(arguments);
	return task_fail(&ctl->task, FAIL_INVALID, "usage",
	                 "%s (see: billingctl%s%s%s%s --help)", message,
	                 group == NULL ? "" : " ", group == NULL ? "" : group,
	                 name == NULL ? "" : " ", name == NULL ? "" : name);
}

const char *
ctl_option(const struct ctl *ctl, const char *name)
{
	const struct ctl_option *options = ctl->command->options;

	for (size_t i = 0; options != NULL && options[i].name != NULL; i++)
		if (strcmp(options[i].name, name) == 0)
			return ctl->values[i];
	return NULL;
}

/* The user who runs billingctl, for the audit trail. */
static const char *
actor(struct arena *arena)
{
	const struct passwd *user = getpwuid(getuid());

	if (user == NULL)
		return arena_printf(arena, "billingctl:%ld", (long)getuid());
	return arena_printf(arena, "billingctl:%s", user->pw_name);
}

enum fail
ctl_read_settings(struct ctl *ctl, unsigned int secrets)
{
	TRY(app_settings_load(&ctl->task, ctl->config, secrets, &ctl->settings));
	/* The one line on stderr says what failed; warnings would only repeat it. */
	log_set_level(LOG_LEVEL_ERROR);
	return FAIL_NONE;
}

static enum fail
open_database(struct ctl *ctl, const struct db_options *options)
{
	struct instant now;

	ctl->operation = (struct operation){
	        .task = &ctl->task,
	        .db = db_new(options),
	        .billing = &ctl->billing,
	        .actor = actor(ctl->task.arena),
	        .now_ms = clock_now_ms(),
	};
	TRY(db_connect(ctl->operation.db, &ctl->task));
	TRY(db_clock(ctl->operation.db, &ctl->task, &now));
	ctl->operation.now_ms = now.ms;
	return FAIL_NONE;
}

enum fail
ctl_open_database(struct ctl *ctl)
{
	const struct db_options options = app_settings_db(&ctl->settings, "billingctl");

	return open_database(ctl, &options);
}

enum fail
ctl_open_owner(struct ctl *ctl)
{
	struct db_options options = app_settings_db(&ctl->settings, "billingctl");

	if (*ctl->settings.database_owner_url != '\0')
		options.url = ctl->settings.database_owner_url;
	return open_database(ctl, &options);
}

enum fail
ctl_require_schema(struct ctl *ctl)
{
	struct migration *migrations;
	size_t count, pending;

	TRY(migrations_read(ctl->operation.db, &ctl->task, ctl->settings.migrations_dir,
	                    &migrations, &count, &pending));
	if (pending == 0)
		return FAIL_NONE;
	return task_fail(
	        &ctl->task, FAIL_UNAVAILABLE, "migrations_pending",
	        "The database lacks %zu of %zu migrations (run: billingctl migrate up).",
	        pending, count);
}

enum fail
ctl_open_stripe(struct ctl *ctl)
{
	const struct app_settings *settings = &ctl->settings;
	const struct stripe_client_options options =
	        app_settings_stripe(settings, settings->stripe_deadline_ms);

	if (*settings->stripe_secret_key == '\0')
		return task_fail(&ctl->task, FAIL_UNAVAILABLE, "stripe_not_configured",
		                 "Nothing is sold through Stripe: STRIPE_SECRET_KEY isn't set "
		                 "(nor STRIPE_SECRET_KEY_FILE).");
	ctl->operation.stripe = stripe_client_new(&options);
	if (ctl->operation.stripe == NULL)
		return task_fail(&ctl->task, FAIL_INTERNAL, "internal_error",
		                 "libcurl cannot be initialised.");
	return FAIL_NONE;
}

/* Whether `needs` has the bits that `bit` adds to CTL_SETTINGS. */
static bool
has(unsigned int needs, unsigned int bit)
{
	return (needs & bit & ~(unsigned int)CTL_SETTINGS) != 0;
}

/* Signs with the key that all hosts publish, or not at all. */
static enum fail
open_keys(struct ctl *ctl)
{
	const char *dir = ctl->settings.keys_dir;
	struct license_keys *keys = &ctl->billing.keys;

	TRY(signing_keys_register(&ctl->operation, dir));
	TRY(signing_keys_load(&ctl->operation, dir, keys));
	if (license_keys_signing(keys) != NULL)
		return FAIL_NONE;
	return task_fail(
	        &ctl->task, FAIL_NOT_FOUND, "key_missing",
	        "%s hasn't the private half of the signing key %s: copy the file of the "
	        "host that has it.",
	        dir, keys->items[0].kid);
}

enum fail
ctl_prepare(struct ctl *ctl, unsigned int needs)
{
	if (needs == CTL_NOTHING)
		return FAIL_NONE;
	TRY(ctl_read_settings(ctl, has(needs, CTL_OWNER) ? SECRET_DATABASE | SECRET_OWNER
	                                                 : SECRETS_OF_SERVICE));
	if (has(needs, CTL_RULES))
		TRY(app_settings_rules(&ctl->task, &ctl->settings, &ctl->billing));
	if (has(needs, CTL_DATABASE)) {
		TRY(ctl_open_database(ctl));
		TRY(ctl_require_schema(ctl));
	}
	if (has(needs, CTL_DATABASE) && has(needs, CTL_RULES))
		TRY(plan_terms_load(&ctl->operation, &ctl->billing.plans));
	if (has(needs, CTL_KEYS & ~CTL_RULES))
		TRY(open_keys(ctl));
	return has(needs, CTL_STRIPE & ~CTL_RULES) ? ctl_open_stripe(ctl) : FAIL_NONE;
}

enum fail
ctl_confirm(struct ctl *ctl)
{
	if (!ctl->says_stored)
		return FAIL_NONE;
	/* A transaction that is still open has only read. */
	db_rollback_to(ctl->operation.db, 0);
	return db_confirm_work(ctl->operation.db, &ctl->task);
}

void
ctl_release(struct ctl *ctl)
{
	stripe_client_free(ctl->operation.stripe);
	license_keys_release(&ctl->billing.keys);
	db_free(ctl->operation.db);
}

enum fail
ctl_commit_key(struct ctl *ctl, const char *secret)
{
	const char *path = ctl_option(ctl, "--key-out");
	const char *line = arena_printf(ctl->task.arena, "%s\n", secret);
	enum fail kind;

	if (path != NULL)
		TRY(file_write(&ctl->task, path, 0600, line, strlen(line), false));
	kind = db_commit(ctl->operation.db, &ctl->task);
	/* After FAIL_UNCERTAIN the database may have the key, so the file stays. */
	if (path != NULL && kind != FAIL_NONE && kind != FAIL_UNCERTAIN)
		(void)unlink(path);
	return kind;
}

enum fail
ctl_limit(struct ctl *ctl, int64_t *limit)
{
	const char *value = ctl_option(ctl, "--limit");

	if (value != NULL &&
	    (!text_parse_int(value, limit) || *limit < 1 || *limit > LIMIT_MAX))
		return ctl_usage(ctl, "--limit must be a number from 1 to 1000");
	return FAIL_NONE;
}

enum fail
ctl_why(struct ctl *ctl, const char **out)
{
	enum { WHY_MAX = 500 };

	*out = ctl_option(ctl, "--why");
	return *out == NULL || **out == '\0' || text_characters(*out) > WHY_MAX
	               ? ctl_usage(ctl, "--why must be given, with 1 to %d characters", WHY_MAX)
	               : FAIL_NONE;
}

enum fail
ctl_check_text(struct ctl *ctl, const char *what, const char *value, size_t max,
               const char *(*check)(const char *value))
{
	const char *fault = NULL;

	if (!text_is_utf8(value, strlen(value)))
		fault = "must be UTF-8";
	else if (text_characters(value) > max)
		fault = "is too long";
	else if (check != NULL)
		fault = check(value);
	return fault == NULL ? FAIL_NONE : ctl_usage(ctl, "%s %s", what, fault);
}

enum fail
ctl_read_text(struct ctl *ctl, const char *path, size_t limit, const char **out)
{
	const char *source = strcmp(path, "-") == 0 ? "/dev/stdin" : path;
	size_t length;
	char *text;

	TRY(file_read(&ctl->task, source, limit, &text, &length));
	if (strlen(text) != length)
		return task_fail(&ctl->task, FAIL_INVALID, "not_text", "%s isn't a text file.",
		                 path);
	*out = text;
	return FAIL_NONE;
}
