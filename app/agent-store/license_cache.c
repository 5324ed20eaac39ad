/*
 * license_cache.c: the licence that the agent vouches for.
 */
#include "agent-store/license_cache.h"

#include <string.h>

#include "base/arena.h"
#include "base/log.h"

/* What plans without a bound say of devices and days; older applications count on a number. */
static const int64_t no_bound = 999999;

const char *
license_cache_keys(struct task *task, const struct agent_settings *settings,
                   const struct state *state)
{
	return *settings->public_key != '\0' ? settings->public_key
	                                     : state_text(task, state, STATE_KEYS);
}

static enum fail
refuse(struct task *task, enum license_error error)
{
	return task_fail(task, error == LICENSE_ERROR_MEMORY ? FAIL_UNAVAILABLE : FAIL_INVALID,
	                 error == LICENSE_ERROR_MEMORY ? "no_memory" : "keys_invalid", "%s",
	                 license_error_text(error));
}

static enum fail
open_or_change(struct task *task, const struct agent_settings *settings,
               const struct state *state, bool keep_clock, struct license_cache *cache)
{
	const char *keys = license_cache_keys(task, settings, state);
	struct sha256 digest = digest_sha256(keys, strlen(keys));
	struct license_options options = {
	        .size = sizeof options,
	        .keys = keys,
	        .issuer = *settings->issuer != '\0' ? settings->issuer : NULL,
	        .state_file = keep_clock ? state->clock_path : NULL,
	        .grace_days = settings->offline_grace_days,
	};
	enum license_error error;

	if (*keys == '\0' || (cache->license && digest_equal(&digest, &cache->keys)))
		return FAIL_NONE;
	error = cache->license ? license_set_keys(cache->license, keys)
	                       : license_open(&options, &cache->license);
	/* Damaged ones are as good as none: the next talk brings them again. */
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
text_of(struct task *task, struct license_cache *cache, const char *name)
{
	size_t length = license_text(cache->license, name, NULL, 0);
	char *text = arena_alloc(task->arena, length + 1);

	(void)license_text(cache->license, name, text, length + 1);
	return text;
}

/* When the licence was issued; -1 when it is none of this customer's. */
static int64_t
try_token(struct task *task, const struct agent_settings *settings, struct license_cache *cache,
          const char *token)
{
	if (license_set(cache->license, token) != LICENSE_OK)
		return -1;
	if (*settings->customer_id != '\0' &&
	    strcmp(text_of(task, cache, "customerId"), settings->customer_id) != 0)
		return -1;
	return license_time(cache->license, "issuedAt");
}

const char *
license_cache_token(struct task *task, const struct agent_settings *settings,
                    const struct state *state, struct license_cache *cache)
{
	const char *kept = state_license(task, state).token;
	int64_t given_at = try_token(task, settings, cache, settings->license_jwt);
	int64_t kept_at = try_token(task, settings, cache, kept);

	if (kept_at >= given_at && kept_at >= 0)
		return kept;
	/* A given one that isn't genuine is still shown as what it is. */
	if (given_at >= 0 || *kept == '\0')
		return settings->license_jwt;
	return kept;
}

enum fail
license_cache_load(struct task *task, const struct agent_settings *settings,
                   const struct state *state, bool keep_clock, struct license_cache *cache)
{
	const char *list = state_text(task, state, STATE_REVOCATIONS);
	const char *token;
	enum license_error error;

	TRY(open_or_change(task, settings, state, keep_clock, cache));
	if (!cache->license)
		return FAIL_NONE;
	if (*list != '\0')
		(void)license_set_revocations(cache->license, list);
	token = license_cache_token(task, settings, state, cache);
	cache->given = token == settings->license_jwt;
	error = license_set(cache->license, token);
	if (error != LICENSE_OK)
		return refuse(task, error);
	if (*token != '\0' && license_time(cache->license, "issuedAt") >= 0 &&
	    try_token(task, settings, cache, token) < 0) {
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

/* A limit as the licence writes it: those of devices and days always, others only with a bound. */
static void
write_limit(struct json_out *json, struct license_cache *cache, const char *name, bool always)
{
	int64_t limit = license_limit(cache->license, name);

	if (limit != LICENSE_NO_LIMIT)
		json_out_int(json, name, limit);
	else if (always)
		json_out_int(json, name, no_bound);
}

static void
write_allowances(struct json_out *json, struct license_cache *cache)
{
	static const char *const features[] = {"canExportData", "hasAdvancedAlerts",
	                                       "hasApiAccess", "hasMqttAccess",
	                                       "hasCustomBranding"};
	static const char *const limits[] = {"maxUsers", "maxAlertRules", "maxDashboards"};

	json_out_open(json, "features", '{');
	write_limit(json, cache, "maxDevices", true);
	write_limit(json, cache, "dataRetentionDays", true);
	for (size_t i = 0; i < sizeof features / sizeof *features; i++)
		json_out_bool(json, features[i], license_allows(cache->license, features[i]));
	json_out_close(json, '}');
	json_out_open(json, "limits", '{');
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
		write_limit(json, cache, limits[i], false);
	json_out_close(json, '}');
}

static void
write_trial(struct json_out *json, struct license_cache *cache)
{
	int64_t days = license_trial_days(cache->license);

	if (days < 0) {
		json_out_null(json, "trial");
		return;
	}
	json_out_open(json, "trial", '{');
	json_out_bool(json, "isActive", days > 0);
	write_time(json, "expiresAt", license_time(cache->license, "trialExpiresAt"));
	json_out_int(json, "daysRemaining", days);
	json_out_close(json, '}');
}

static void
write_usage(struct json_out *json, struct license_cache *cache, const struct tally *usage)
{
	int64_t max = license_limit(cache->license, "maxDevices");
	int64_t current = usage->total_devices;
	int64_t percent = max == LICENSE_NO_LIMIT ? 0
	                  : max == 0              ? (current > 0 ? 100 : 0)
	                                          : current * 100 / max;

	json_out_open(json, "usage", '{');
	json_out_open(json, "devices", '{');
	json_out_int(json, "current", current);
	json_out_int(json, "max", max == LICENSE_NO_LIMIT ? no_bound : max);
	json_out_int(json, "percentUsed", percent);
	json_out_close(json, '}');
	json_out_close(json, '}');
}

static void
write_customer(struct task *task, const struct agent_settings *settings, struct json_out *json,
               struct license_cache *cache)
{
	const char *id = text_of(task, cache, "customerId");
	const char *name = text_of(task, cache, "customerName");
	const char *plan = text_of(task, cache, "plan");
	const char *status = text_of(task, cache, "status");

	if (*id == '\0')
		id = settings->customer_id;
	json_out_open(json, "customer", '{');
	json_out_string(json, "id", *id == '\0' ? NULL : id);
	json_out_string(json, "name", *name == '\0' ? NULL : name);
	json_out_close(json, '}');
	json_out_string(json, "plan", *plan == '\0' ? "unlicensed" : plan);
	json_out_open(json, "subscription", '{');
	json_out_string(json, "status", *status == '\0' ? "none" : status);
	write_time(json, "currentPeriodEndsAt",
	           license_time(cache->license, "currentPeriodEndsAt"));
	json_out_close(json, '}');
}

char *
license_cache_json(struct task *task, const struct agent_settings *settings,
                   const struct state *state, struct license_cache *cache,
                   const struct tally *usage)
{
	struct json_out json = json_out_new(task->arena, 1024);
	struct sync_state sync;

	state_sync(task, state, &sync);
	json_out_open(&json, NULL, '{');
	write_customer(task, settings, &json, cache);
	write_trial(&json, cache);
	write_allowances(&json, cache);
	write_usage(&json, cache, usage);
	json_out_string(&json, "upgradeUrl",
	                *settings->upgrade_url == '\0' ? NULL : settings->upgrade_url);
	json_out_string(&json, "verdict",
	                license_verdict_name(license_verdict(cache->license)));
	json_out_string(&json, "reason", license_reason(cache->license));
	write_time(&json, "expiresAt", license_time(cache->license, "expiresAt"));
	json_out_string(&json, "instanceId", state->instance_id);
	json_out_time(&json, "refreshedAt", sync.contact);
	json_out_close(&json, '}');
	return json.text.data;
}
