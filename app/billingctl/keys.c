/* keys.c: billingctl keys generate, rotate and list. */
#include "base/arena.h"
#include "billing/license_records.h"
#include "billingctl/output.h"

/* billingd signs with the old key until it is reloaded. */
enum { RELOAD_WITHIN_DAYS = 2, YEAR_DAYS = 366 };

enum fail
run_keys_generate(struct ctl *ctl)
{
	struct output output = output_new(ctl);

	TRY(license_keys_generate(&ctl->task, ctl->settings.keys_dir));
	TRY(license_keys_load(&ctl->task, ctl->settings.keys_dir, true, 0, &ctl->billing.keys));
	output_text(&output, "kid", ctl->billing.keys.items[0].kid);
	output_text(&output, "keys_dir", ctl->settings.keys_dir);
	return output_print(&output);
}

/* The longest life of a licence issued from now on; the longest paid period is a year. */
static int64_t
longest_life_days(const struct app_settings *settings, const struct billing_policy *policy)
{
	int64_t paid_days = YEAR_DAYS + settings->license_grace_days;

	return policy->paid_through && paid_days > settings->license_ttl_days
	               ? paid_days
	               : settings->license_ttl_days;
}

static const char *
how_to_reload(struct ctl *ctl)
{
	if (*ctl->settings.pid_file == '\0')
		return "systemctl reload billingd (or send HUP to its process)";
	return arena_printf(ctl->task.arena, "kill -HUP $(cat %s)", ctl->settings.pid_file);
}

enum fail
run_keys_rotate(struct ctl *ctl)
{
	struct output output = output_new(ctl);
	struct license_keys *keys = &ctl->billing.keys;
	struct instant last = INSTANT_NONE;
	int64_t now_ms = ctl->operation.now_ms, until_ms;
	const char *old;

	TRY(app_settings_rules(&ctl->task, &ctl->settings, &ctl->billing));
	TRY(license_keys_load(&ctl->task, ctl->settings.keys_dir, true, now_ms, keys));
	old = arena_copy(ctl->task.arena, license_keys_signing(keys)->kid);
	TRY(license_last_of_key(&ctl->operation, old, &last));
	until_ms = now_ms + DAY_MS * (RELOAD_WITHIN_DAYS +
	                              longest_life_days(&ctl->settings, &ctl->billing.policy));
	if (last.known && last.ms > until_ms)
		until_ms = last.ms;
	TRY(license_keys_rotate(&ctl->task, ctl->settings.keys_dir, now_ms, until_ms));
	license_keys_release(keys);
	TRY(license_keys_load(&ctl->task, ctl->settings.keys_dir, true, now_ms, keys));
	output_text(&output, "kid", keys->items[0].kid);
	output_text(&output, "retired_kid", old);
	output_time(&output, "retired_published_until", INSTANT_MS(until_ms));
	output_text(&output, "next", how_to_reload(ctl));
	return output_print(&output);
}

enum fail
run_keys_list(struct ctl *ctl)
{
	struct output output = output_new(ctl);
	const struct license_keys *keys = &ctl->billing.keys;

	TRY(license_keys_load(&ctl->task, ctl->settings.keys_dir, true, clock_now_ms(),
	                      &ctl->billing.keys));
	output_list(&output, "keys");
	for (size_t i = 0; i < keys->count; i++) {
		const struct license_key *key = &keys->items[i];

		output_row(&output);
		output_text(&output, "kid", key->kid);
		output_bool(&output, "signs", key->can_sign);
		output_time(&output, "retired_at", key->retired_at);
		output_time(&output, "published_until", key->publish_until);
	}
	return output_print(&output);
}
