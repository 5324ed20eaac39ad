/* license_cache.c: chooses the licence that applies, and writes GET /license. */
#include "agent-store/license_cache.h"

#include <string.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/text.h"

/* Stands for "unlimited" devices and days: older applications expect a number there. */
static const int64_t unlimited = 999999;

const char *
license_cache_keys(struct task *task, const struct state *state)
{
	const char *pinned = state->settings->public_key;

	return *pinned != '\0' ? pinned : state_text(task, state, STATE_KEYS);
}

static enum fail
refuse(struct task *task, enum license_error error)
{
	if (error == LICENSE_ERROR_MEMORY)
		return task_fail(task, FAIL_UNAVAILABLE, "no_memory", "%s",
		                 license_error_text(error));
	return task_fail(task, FAIL_INVALID, "keys_invalid", "%s", license_error_text(error));
}

static enum fail
load_keys(struct task *task, const struct state *state, bool keep_clock,
          struct license_cache *cache)
{
	const struct agent_settings *settings = state->settings;
	const char *keys = license_cache_keys(task, state);
	struct sha256 digest = digest_sha256(keys, strlen(keys));
	struct license_options options = {
	        .size = sizeof(options),
	        .keys = keys,
	        .issuer = text_or_null(settings->issuer),
	        .state_file = state->clock_path,
	        .state_is_read_only = !keep_clock,
	        .grace_days = settings->offline_grace_days,
	        .instance = state->instance_id,
	};
	enum license_error error;

	if (*keys == '\0' || (cache->license != NULL && digest_equal(&digest, &cache->keys)))
		return FAIL_NONE;
	error = cache->license != NULL ? license_set_keys(cache->license, keys)
	                               : license_open(&options, &cache->license);
	/* The next session fetches the service's keys again. */
	if (error == LICENSE_ERROR_KEYS && *settings->public_key == '\0') {
		log_line(LOG_LEVEL_ERROR, "the keys of the service are damaged");
		return FAIL_NONE;
	}
	if (error != LICENSE_OK)
		return refuse(task, error);
	cache->keys = digest;
	return FAIL_NONE;
}

static const char *
text_of(struct task *task, struct license *license, const char *name)
{
	size_t length = license_text(license, name, NULL, 0);
	char *text = arena_alloc(task->arena, length + 1);

	(void)license_text(license, name, text, length + 1);
	return text;
}

/* Whether the loaded licence is genuine and another customer's. */
static bool
is_foreign(struct task *task, const struct state *state, struct license *license)
{
	const char *expected = state->settings->customer_id;
	const char *customer = text_of(task, license, "customerId");

	return *expected != '\0' && *customer != '\0' && strcmp(customer, expected) != 0;
}

/* Loads the token. Returns when it was issued; -1 when it is forged, another customer's, or bound to
 * another instance. */
static int64_t
try_token(struct task *task, const struct state *state, struct license *license,
          const char *token)
{
	if (license_set(license, token) != LICENSE_OK || is_foreign(task, state, license) ||
	    license_verdict(license) == LICENSE_IS_WRONG_INSTANCE)
		return -1;
	return license_time(license, "issuedAt");
}

/* The later issued of LICENSE_JWT and the kept licence. When neither is for this instance it is the
 * kept one, if there is one, so that the verdict names its fault. */
static const char *
choose_token(struct task *task, const struct state *state, struct license *license)
{
	const char *configured = state->settings->license_jwt;
	const char *kept = state_license(task, state).token;
	int64_t configured_at = try_token(task, state, license, configured);
	int64_t kept_at = try_token(task, state, license, kept);

	if (kept_at >= 0 && kept_at >= configured_at)
		return kept;
	return configured_at >= 0 || *kept == '\0' ? configured : kept;
}

enum fail
license_cache_load(struct task *task, const struct state *state, bool keep_clock,
                   struct license_cache *cache)
{
	const char *list = state_text(task, state, STATE_REVOCATIONS);
	const char *token;
	enum license_error error;

	TRY(load_keys(task, state, keep_clock, cache));
	if (cache->license == NULL)
		return FAIL_NONE;
	if (*list != '\0')
		(void)license_set_revocations(cache->license, list);
	token = choose_token(task, state, cache->license);
	cache->is_configured = token == state->settings->license_jwt;
	error = license_set(cache->license, token);
	if (error != LICENSE_OK)
		return refuse(task, error);
	if (is_foreign(task, state, cache->license)) {
		log_line(LOG_LEVEL_ERROR, "the licence is another customer's");
		(void)license_set(cache->license, NULL);
	}
	return FAIL_NONE;
}

void
license_cache_release(struct license_cache *cache)
{
	license_close(cache->license);
	cache->license = NULL;
}

static void
write_time(struct json_out *json, const char *name, int64_t seconds)
{
	json_out_time(json, name, seconds < 0 ? INSTANT_NONE : INSTANT_MS(seconds * SECOND_MS));
}

/* The features and limits that count now, {"features": {...}, "limits": {...}}. */
static struct json_view
entitlements(struct task *task, struct license *license)
{
	size_t length = license_entitlements(license, NULL, 0);
	char *text = arena_alloc(task->arena, length + 1);
	struct json_view object = {0};

	(void)license_entitlements(license, text, length + 1);
	(void)json_view_try(task->arena, text, length, &object);
	return object;
}

static void
write_allowances(struct task *task, struct json_out *json, struct license *license)
{
	static const char *const members[] = {"features", "limits"};
	const struct json_view all = entitlements(task, license);
	struct json_view member;

	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
		if (json_view_object(&all, members[i], &member))
			json_out_raw(json, members[i], json_view_source(&member));
}

const char *
license_cache_value(struct task *task, const struct license_cache *cache, const char *name)
{
	const struct json_view all = entitlements(task, cache->license);
	struct json_view member, value;

	if (json_view_object(&all, "features", &member) &&
	    json_view_member(&member, name, &value))
		return json_view_source(&value);
	if (json_view_object(&all, "limits", &member) &&
	    json_view_member(&member, name, &value))
		return json_view_source(&value);
	return "null";
}

static void
write_trial(struct json_out *json, struct license *license)
{
	int64_t days = license_trial_days(license);

	if (days < 0) {
		json_out_null(json, "trial");
		return;
	}
	json_out_open(json, "trial", '{');
	json_out_bool(json, "isActive", days > 0);
	write_time(json, "expiresAt", license_time(license, "trialExpiresAt"));
	json_out_int(json, "daysRemaining", days);
	json_out_close(json, '}');
}

static void
write_usage(struct json_out *json, struct license *license, const struct tally *usage)
{
	bool bounded = license_integer(license, "maxDevices", INT64_MIN) != INT64_MIN;
	int64_t max = bounded ? license_limit(license, "maxDevices") : LICENSE_NO_LIMIT;
	int64_t current = usage->active_devices;
	int64_t percent = max == LICENSE_NO_LIMIT ? 0
	                  : max == 0              ? (current > 0 ? 100 : 0)
	                                          : current * 100 / max;

	json_out_open(json, "usage", '{');
	json_out_open(json, "devices", '{');
	json_out_int(json, "current", current);
	json_out_int(json, "max", max == LICENSE_NO_LIMIT ? unlimited : max);
	json_out_int(json, "percentUsed", percent);
	json_out_close(json, '}');
	json_out_close(json, '}');
}

static void
write_customer(struct task *task, const struct state *state, struct json_out *json,
               struct license *license)
{
	const char *id = text_of(task, license, "customerId");
	const char *name = text_of(task, license, "customerName");
	const char *plan = text_of(task, license, "plan");
	const char *status = text_of(task, license, "status");

	if (*id == '\0')
		id = state->settings->customer_id;
	json_out_open(json, "customer", '{');
	json_out_string(json, "id", text_or_null(id));
	json_out_string(json, "name", text_or_null(name));
	json_out_close(json, '}');
	json_out_string(json, "plan", *plan == '\0' ? "unlicensed" : plan);
	json_out_open(json, "subscription", '{');
	json_out_string(json, "status", *status == '\0' ? "none" : status);
	write_time(json, "currentPeriodEndsAt", license_time(license, "currentPeriodEndsAt"));
	json_out_close(json, '}');
}

char *
license_cache_json(struct task *task, const struct state *state, struct license_cache *cache,
                   const struct tally *usage)
{
	struct json_out json = json_out_new(task->arena, 1024);
	struct license *license = cache->license;
	struct sync_state sync;

	state_sync(task, state, &sync);
	json_out_open(&json, NULL, '{');
	write_customer(task, state, &json, license);
	write_trial(&json, license);
	write_allowances(task, &json, license);
	write_usage(&json, license, usage);
	json_out_string(&json, "upgradeUrl", text_or_null(state->settings->upgrade_url));
	json_out_string(&json, "verdict", license_verdict_name(license_verdict(license)));
	json_out_string(&json, "reason", license_reason(license));
	write_time(&json, "expiresAt", license_time(license, "expiresAt"));
	json_out_string(&json, "instanceId", state->instance_id);
	json_out_time(&json, "refreshedAt", sync.contact);
	json_out_string(&json, "warning", text_or_null(license_warning(license)));
	write_time(&json, "staleAt", license_time(license, "staleAt"));
	json_out_close(&json, '}');
	return json.text.data;
}
