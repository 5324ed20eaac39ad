/* rules.c: reads the settings, judges them together, and makes of them the rules of the service. */
#include "settings/settings.h"

#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/text.h"
#include "stripe/version.h"

enum { WORKERS_PER_CORE = 4 };

static const int64_t stripe_connect_ms = 5000;
static const int64_t stripe_retries = 2; /* as the official SDK has it */

/* The path of a file in the folder of another one. */
static const char *
beside(struct arena *arena, const char *path, const char *name)
{
	const char *slash = strrchr(path, '/');
	int length = slash == NULL ? 0 : (int)(slash - path) + 1;

	return arena_printf(arena, "%.*s%s", length, path, name);
}

enum fail
app_settings_load(struct task *task, const char *path, unsigned int secrets,
                  struct app_settings *out)
{
	TRY(settings_load(task, app_settings_table, path, secrets, out));
	if (*out->license_issuer == '\0')
		out->license_issuer = out->base_url;
	if (*out->revocations_file == '\0')
		out->revocations_file =
		        arena_printf(task->arena, "%s/revocations.jwt", out->keys_dir);
	if (*out->audit_heads_file == '\0')
		out->audit_heads_file =
		        beside(task->arena, out->revocations_file, "audit-heads.jwt");
	if (out->license_offline_stale_days > 0 &&
	    out->license_offline_stale_days * 24 <= out->revocations_ttl_hours)
		return task_fail(task, FAIL_INVALID, "invalid_setting",
		                 "LICENSE_OFFLINE_STALE_DAYS must be more than "
		                 "REVOCATIONS_TTL_HOURS, or "
		                 "each licence would become stale before the next list");
	if (strcmp(out->stripe_billing_mode, "flexible") == 0 &&
	    !stripe_version_has_billing_mode(out->stripe_api_version))
		return task_fail(task, FAIL_INVALID, "invalid_setting",
		                 "STRIPE_BILLING_MODE=flexible needs STRIPE_API_VERSION "
		                 "2025-06-30.basil or later");
	if (strcmp(out->socket, out->stripe_socket) == 0)
		return task_fail(
		        task, FAIL_INVALID, "invalid_setting",
		        "BILLING_STRIPE_SOCKET must not be the same as BILLING_SOCKET");
	TRY(app_settings_check_mail(task, out, (secrets & SECRET_MAIL) != 0));
	log_set_level_named(out->log_level);
	return FAIL_NONE;
}

size_t
app_settings_workers(const struct app_settings *settings)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (settings->workers > 0)
		return (size_t)settings->workers;
	return WORKERS_PER_CORE * (size_t)(cores < 1 ? 1 : cores);
}

struct db_options
app_settings_db(const struct app_settings *settings, const char *name)
{
	return (struct db_options){
	        .url = settings->database_url,
	        .prepared = settings->db_prepared,
	        .statement_timeout_ms = settings->db_statement_timeout_ms,
	        .application_name = name,
	};
}

struct stripe_client_options
app_settings_stripe(const struct app_settings *settings, int64_t attempt_ms)
{
	return (struct stripe_client_options){
	        .api_base = settings->stripe_api_base,
	        .secret_key = settings->stripe_secret_key,
	        .api_version = settings->stripe_api_version,
	        .ca_file = *settings->stripe_ca_file == '\0' ? NULL : settings->stripe_ca_file,
	        .max_retries = stripe_retries,
	        .connect_timeout_ms = stripe_connect_ms,
	        .attempt_timeout_ms = attempt_ms,
	};
}

/* Stripe's prices of the plans and meters. */
static enum fail
load_prices(struct task *task, const struct app_settings *settings, struct billing *billing)
{
	TRY(prices_add_plans(task, billing, "STRIPE_PRICES", settings->stripe_prices));
	TRY(prices_add_plan(task, billing, "STRIPE_PRICE_STARTER", "starter",
	                    settings->stripe_price_starter));
	TRY(prices_add_plan(task, billing, "STRIPE_PRICE_PROFESSIONAL", "professional",
	                    settings->stripe_price_professional));
	TRY(prices_add_plan(task, billing, "STRIPE_PRICE_ENTERPRISE", "enterprise",
	                    settings->stripe_price_enterprise));
	return prices_add_meters(task, billing, "STRIPE_METER_PRICES",
	                         settings->stripe_meter_prices);
}

static bool
is_live_key(const char *key)
{
	return text_starts_with(key, "sk_live_") || text_starts_with(key, "rk_live_");
}

static struct billing_policy
policy_of(const struct app_settings *settings)
{
	return (struct billing_policy){
	        .issuer = settings->license_issuer,
	        .license_ttl_days = settings->license_ttl_days,
	        .paid_through = strcmp(settings->license_expiry, "paid_through") == 0,
	        .license_grace_days = settings->license_grace_days,
	        .past_due_grace_days = settings->past_due_grace_days,
	        .revocations_ttl_hours = settings->revocations_ttl_hours,
	        .revocations_file = settings->revocations_file,
	        .audit_heads_file = settings->audit_heads_file,
	        .offline_warn_days = settings->license_offline_warn_days,
	        .offline_stale_days = settings->license_offline_stale_days,
	        .max_grace_days = settings->license_max_grace_days,
	        .instance_lease_hours = settings->instance_lease_hours,
	        .sign_ups_per_hour = settings->sign_ups_per_hour,
	        .new_instances_per_day = settings->new_instances_per_day,
	        .usage_retention_days = settings->usage_retention_days,
	        .event_retention_days = settings->event_retention_days,
	};
}

static struct sales_policy
sales_of(const struct app_settings *settings)
{
	const char *version = settings->stripe_api_version;

	return (struct sales_policy){
	        .configured = *settings->stripe_secret_key != '\0',
	        .live = is_live_key(settings->stripe_secret_key),
	        .webhook_secrets = settings->stripe_webhook_secret,
	        .base_url = settings->base_url,
	        .return_origins = settings->return_url_origins,
	        .cancel_at_period_end =
	                strcmp(settings->subscription_cancel, "period_end") == 0,
	        .downgrade_at_period_end =
	                strcmp(settings->stripe_downgrade, "period_end") == 0,
	        .keep_trial = settings->stripe_keep_trial,
	        .cancel_second = strcmp(settings->stripe_second_subscription, "cancel") == 0,
	        .refund_policy = settings->stripe_refund_policy,
	        .dispute_policy = settings->stripe_dispute_policy,
	        .pause_ends_access = strcmp(settings->stripe_pause_policy, "period_end") == 0,
	        .billing_mode = stripe_version_has_billing_mode(version)
	                                ? settings->stripe_billing_mode
	                                : NULL,
	        .anchor_is_object = stripe_version_has_anchor_object(version),
	        .promotion_codes = settings->stripe_promotion_codes,
	        .automatic_tax = settings->stripe_automatic_tax,
	        .tax_ids = settings->stripe_tax_ids,
	        .deadline_ms = settings->stripe_deadline_ms,
	        .event_tries = settings->stripe_event_tries,
	};
}

static enum fail
load_brand(struct task *task, const struct app_settings *settings, struct brand *out)
{
	const char *path = settings->brand_file;

	if (*path != '\0')
		return brand_load(task, path, out);
	path = beside(task->arena, settings->plans_file, "brand.json");
	if (access(path, F_OK) == 0)
		return brand_load(task, path, out);
	brand_default(task, out);
	return FAIL_NONE;
}

enum fail
app_settings_rules(struct task *task, const struct app_settings *settings, struct billing *out)
{
	*out = (struct billing){
	        .policy = policy_of(settings),
	        .sales = sales_of(settings),
	};
	TRY(plans_load(task, settings->plans_file, &out->plans));
	TRY(load_brand(task, settings, &out->brand));
	TRY(app_settings_mail_rules(task, settings, false, &out->mail));
	out->plans.keeps_sold = strcmp(settings->plan_reductions, "period_end") == 0;
	return load_prices(task, settings, out);
}
