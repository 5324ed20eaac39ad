/* keys.c: billingctl keys generate and list. */
#include "billingctl/keys.h"

#include "base/text.h"
#include "billingctl/output.h"
#include "webhooks/key.h"

/* Where it is there already, it stays. */
static enum fail
make_webhook_key(struct ctl *ctl)
{
	struct task attempt = task_attempt(&ctl->task);
	enum fail kind = webhook_key_generate(&attempt, ctl->settings.keys_dir);

	if (kind == FAIL_NONE || kind == FAIL_CONFLICT)
		return FAIL_NONE;
	return task_fail(&ctl->task, kind, attempt.failure.code, "%s", attempt.failure.message);
}

enum fail
run_keys_generate(struct ctl *ctl)
{
	struct output output = output_new(ctl);

	TRY(license_keys_generate(&ctl->task, ctl->settings.keys_dir));
	TRY(make_webhook_key(ctl));
	TRY(license_keys_load(&ctl->task, ctl->settings.keys_dir, true, 0, &ctl->billing.keys));
	output_text(&output, "kid", ctl->billing.keys.items[0].kid);
	output_text(&output, "keys_dir", ctl->settings.keys_dir);
	return output_print(&output);
}

/* Without a database, or before billingd has run: the keys in KEYS_DIR. */
static enum fail
list_folder(struct ctl *ctl, struct output *output)
{
	const struct license_keys *keys = &ctl->billing.keys;

	TRY(license_keys_load(&ctl->task, ctl->settings.keys_dir, true, clock_now_ms(),
	                      &ctl->billing.keys));
	for (size_t i = 0; i < keys->count; i++) {
		const struct license_key *key = &keys->items[i];

		output_row(output);
		output_text(output, "kid", key->kid);
		output_bool(output, "signs", key->can_sign);
		output_time(output, "retired_at", key->retired_at);
		output_time(output, "published_until", key->publish_until);
	}
	return output_print(output);
}

static enum fail
list_known(struct ctl *ctl, struct output *output, const struct known_keys *known)
{
	TRY(license_keys_load_private(&ctl->task, ctl->settings.keys_dir, &ctl->billing.keys));
	for (size_t i = 0; i < known->count; i++) {
		const struct signing_key *key = &known->keys[i];
		bool here = license_keys_find(&ctl->billing.keys, key->kid) != NULL;

		output_row(output);
		output_text(output, "kid", key->kid);
		output_text(output, "state", key->state);
		output_bool(output, "signs", key == known->current && here);
		output_bool(output, "published", key->published);
		output_bool(output, "private_half_here", here);
		output_time(output, "usable_at",
		            key == known->added ? key_usable_at(ctl, key) : INSTANT_NONE);
		output_time(output, "retired_at", key->retired_at);
		output_time(output, "published_until", key->publish_until);
		output_time(output, "distrusted_at", key->distrusted_at);
		output_time(output, "imported_at", key->imported_at);
	}
	return output_print(output);
}

enum fail
run_keys_list(struct ctl *ctl)
{
	struct output output = output_new(ctl);
	struct known_keys known = {.count = 0};

	if (ctl_open_database(ctl) != FAIL_NONE || ctl_require_schema(ctl) != FAIL_NONE ||
	    known_keys_read(ctl, &known) != FAIL_NONE)
		task_clear(&ctl->task);
	output_list(&output, "keys");
	return known.count == 0 ? list_folder(ctl, &output) : list_known(ctl, &output, &known);
}
