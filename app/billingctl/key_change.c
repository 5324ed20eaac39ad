/* key_change.c: the steps of a change of the signing key: billingctl keys add, use, retire, distrust,
 * rotate. */
#include <string.h>

#include "base/arena.h"
#include "billingctl/keys.h"
#include "billingctl/output.h"
#include "billingctl/probe.h"
#include "issuing/license_records.h"

/* Processes that were busy may sign with the old key a little longer. */
enum { IN_USE_STILL_DAYS = 2, YEAR_DAYS = 366, HTTP_OK = 200 };

enum fail
known_keys_read(struct ctl *ctl, struct known_keys *out)
{
	*out = (struct known_keys){.keys = NULL};
	TRY(signing_key_list(&ctl->operation, &out->keys, &out->count));
	out->current = signing_key_in(out->keys, out->count, "current");
	out->added = signing_key_in(out->keys, out->count, "added");
	return FAIL_NONE;
}

/* Reads the known keys; a database without keys first gets those of this host. */
static enum fail
read_all(struct ctl *ctl, struct known_keys *out)
{
	TRY(known_keys_read(ctl, out));
	if (out->current != NULL)
		return FAIL_NONE;
	TRY(signing_keys_register(&ctl->operation, ctl->settings.keys_dir));
	return known_keys_read(ctl, out);
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

/* When the last licence that the key may have signed has expired. */
static enum fail
last_licence(struct ctl *ctl, const char *kid, struct instant *out)
{
	struct instant last = INSTANT_NONE;

	TRY(license_last_of_key(&ctl->operation, kid, &last));
	*out = INSTANT_MS(ctl->operation.now_ms +
	                  DAY_MS * (IN_USE_STILL_DAYS +
	                            longest_life_days(&ctl->settings, &ctl->billing.policy)));
	if (last.known && last.ms > out->ms)
		*out = last;
	return FAIL_NONE;
}

static const char *
next_path(struct ctl *ctl)
{
	return arena_printf(ctl->task.arena, "%s/" LICENSE_KEY_NEXT_FILE,
	                    ctl->settings.keys_dir);
}

struct instant
key_usable_at(const struct ctl *ctl, const struct signing_key *key)
{
	return INSTANT_MS(key->added_at.ms + ctl->settings.key_wait_hours * HOUR_MS);
}

static enum fail
refuse(struct ctl *ctl, const char *code, const char *message)
{
	return task_fail(&ctl->task, FAIL_CONFLICT, code, "%s", message);
}

/* Makes the next key in KEYS_DIR; the file of an earlier change is put in place first. */
static enum fail
make_next(struct ctl *ctl, const struct known_keys *known, struct license_keys *next)
{
	struct task *task = &ctl->task;
	const char *dir = ctl->settings.keys_dir;
	const struct signing_key *earlier;

	TRY(license_keys_make_next(task, dir, next));
	earlier = signing_key_find(known->keys, known->count, next->items[0].kid);
	if (earlier == NULL || earlier == known->added)
		return FAIL_NONE;
	license_keys_release(next);
	if (earlier == known->current)
		TRY(license_keys_use_next(task, dir, ctl->operation.now_ms,
		                          ctl->operation.now_ms + IN_USE_STILL_DAYS * DAY_MS));
	else
		TRY(license_keys_remove(task, dir, LICENSE_KEY_NEXT_FILE));
	return license_keys_make_next(task, dir, next);
}

static enum fail
check_room(struct ctl *ctl, const struct known_keys *known)
{
	size_t published = 0;

	for (size_t i = 0; i < known->count; i++)
		published += known->keys[i].published;
	return published < SIGNING_KEYS_PUBLISHED_MAX
	               ? FAIL_NONE
	               : refuse(ctl, "too_many_keys",
	                        "32 keys are published already; wait until one has expired.");
}

/* Adds a key within the caller's transaction. */
static enum fail
add(struct ctl *ctl, const struct known_keys *known, const char **kid)
{
	struct license_keys next;
	enum fail kind;

	TRY(check_room(ctl, known));
	TRY(make_next(ctl, known, &next));
	*kid = arena_copy(ctl->task.arena, next.items[0].kid);
	kind = signing_key_add(&ctl->operation, *kid, next.items[0].public_pem);
	license_keys_release(&next);
	return kind;
}

static enum fail
print_added(struct ctl *ctl, const char *kid)
{
	struct output output = output_new(ctl);
	int64_t from_ms = ctl->operation.now_ms + ctl->settings.key_wait_hours * HOUR_MS;
	char from[CLOCK_TEXT_SIZE];

	clock_format(from_ms, from);
	output_text(&output, "kid", kid);
	output_text(&output, "state", "added");
	output_text(&output, "file", next_path(ctl));
	output_time(&output, "usable_at", INSTANT_MS(from_ms));
	output_text(&output, "next",
	            arena_printf(ctl->task.arena,
	                         "copy the file into KEYS_DIR of every other host, give the "
	                         "public key to customers who pinned one, and from %s on: "
	                         "billingctl keys use %s",
	                         from, kid));
	return output_print(&output);
}

enum fail
run_keys_add(struct ctl *ctl)
{
	struct known_keys known;
	const char *kid = NULL;

	TRY(read_all(ctl, &known));
	TRY(signing_keys_lock(&ctl->operation));
	TRY(known_keys_read(ctl, &known));
	if (known.added != NULL)
		return task_fail(&ctl->task, FAIL_CONFLICT, "key_waiting",
		                 "The key %s waits already (run: billingctl keys use %s; or "
		                 "keys retire).",
		                 known.added->kid, known.added->kid);
	TRY(add(ctl, &known, &kid));
	TRY(db_commit(ctl->operation.db, &ctl->task));
	return print_added(ctl, kid);
}

/* billingd must publish the key. When it does not run, it will when it starts. */
static enum fail
check_published(struct ctl *ctl, const char *kid)
{
	struct probe_answer answer;

	if (probe_get(&ctl->task, ctl->settings.socket, "/.well-known/jwks.json", &answer) !=
	    FAIL_NONE) {
		task_clear(&ctl->task);
		return FAIL_NONE;
	}
	if (answer.status == HTTP_OK && strstr(answer.body, kid) != NULL)
		return FAIL_NONE;
	return task_fail(&ctl->task, FAIL_CONFLICT, "key_not_published",
	                 "billingd doesn't publish the key %s yet; see its log.", kid);
}

/* KEYS_DIR must have the private half of the added key. */
static enum fail
check_here(struct ctl *ctl, const char *kid)
{
	struct license_keys here;
	bool found;

	TRY(license_keys_load_private(&ctl->task, ctl->settings.keys_dir, &here));
	found = license_keys_find(&here, kid) != NULL;
	license_keys_release(&here);
	if (found)
		return FAIL_NONE;
	return task_fail(&ctl->task, FAIL_NOT_FOUND, "key_missing",
	                 "%s hasn't the private half of %s: copy the file of the host that "
	                 "made it.",
	                 next_path(ctl), kid);
}

static enum fail
check_wait(struct ctl *ctl, const struct signing_key *key)
{
	struct instant from = key_usable_at(ctl, key);
	char at[CLOCK_TEXT_SIZE];

	if (ctl_option(ctl, "--now") != NULL || ctl->operation.now_ms >= from.ms)
		return FAIL_NONE;
	clock_format(from.ms, at);
	return task_fail(&ctl->task, FAIL_CONFLICT, "key_waiting",
	                 "The key %s can be used from %s on: until then some verifiers don't "
	                 "know it (--now uses it all the same).",
	                 key->kid, at);
}

/* Puts the file of the key into use, if this host has it as the next key, and removes the files of
 * keys that are no longer published. */
static enum fail
place_files(struct ctl *ctl, const char *kid, struct instant publish_until)
{
	struct license_keys next;
	bool is_next;

	TRY(license_keys_load_private(&ctl->task, ctl->settings.keys_dir, &next));
	is_next = next.count > 1 && strcmp(next.items[1].kid, kid) == 0;
	license_keys_release(&next);
	if (is_next)
		TRY(license_keys_use_next(&ctl->task, ctl->settings.keys_dir,
		                          ctl->operation.now_ms, publish_until.ms));
	return signing_keys_tidy(&ctl->operation, ctl->settings.keys_dir);
}

static enum fail
print_used(struct ctl *ctl, const char *kid, const char *old, struct instant publish_until)
{
	struct output output = output_new(ctl);

	output_text(&output, "kid", kid);
	output_text(&output, "state", "current");
	output_text(&output, "retired_kid", old);
	output_time(&output, "retired_published_until", publish_until);
	output_text(&output, "next",
	            "billingd uses it within seconds; run the same on every other host, which "
	            "puts the files there in place");
	return output_print(&output);
}

/* Makes the key the current one within the caller's transaction, commits, and places the files. */
static enum fail
use(struct ctl *ctl, const struct known_keys *known, const char *kid)
{
	struct instant until = INSTANT_NONE;
	const char *old = known->current == NULL ? NULL : known->current->kid;

	if (old != NULL)
		TRY(last_licence(ctl, old, &until));
	TRY(signing_key_use(&ctl->operation, kid, until));
	TRY(db_commit(ctl->operation.db, &ctl->task));
	TRY(place_files(ctl, kid, until));
	/* After a restore of the database only this host may know the key before. */
	TRY(signing_keys_register(&ctl->operation, ctl->settings.keys_dir));
	return print_used(ctl, kid, old, until);
}

static enum fail
find(struct ctl *ctl, struct known_keys *known, const struct signing_key **out)
{
	TRY(signing_keys_lock(&ctl->operation));
	TRY(known_keys_read(ctl, known));
	*out = signing_key_find(known->keys, known->count, ctl->argument);
	if (*out != NULL)
		return FAIL_NONE;
	return task_fail(&ctl->task, FAIL_NOT_FOUND, "key_not_found",
	                 "There is no key %s (run: billingctl keys list).", ctl->argument);
}

enum fail
run_keys_use(struct ctl *ctl)
{
	const struct signing_key *key;
	struct known_keys known;
	struct instant until;

	TRY(read_all(ctl, &known));
	TRY(find(ctl, &known, &key));
	if (key != known.added && key != known.current)
		return task_fail(&ctl->task, FAIL_CONFLICT, "key_state",
		                 "The key %s is %s and cannot sign again.", key->kid,
		                 key->state);
	TRY(check_here(ctl, key->kid));
	if (key == known.current) {
		/* On another host this was done before. */
		until = INSTANT_MS(ctl->operation.now_ms + IN_USE_STILL_DAYS * DAY_MS);
		TRY(place_files(ctl, key->kid, until));
		return print_used(ctl, key->kid, NULL, INSTANT_NONE);
	}
	TRY(check_wait(ctl, key));
	TRY(check_published(ctl, key->kid));
	return use(ctl, &known, key->kid);
}

/* One step of the way; with --now the whole of it. */
enum fail
run_keys_rotate(struct ctl *ctl)
{
	struct known_keys known;
	const char *kid = NULL;

	TRY(read_all(ctl, &known));
	TRY(signing_keys_lock(&ctl->operation));
	TRY(known_keys_read(ctl, &known));
	if (known.added == NULL) {
		TRY(add(ctl, &known, &kid));
		if (ctl_option(ctl, "--now") != NULL)
			return use(ctl, &known, kid);
		TRY(db_commit(ctl->operation.db, &ctl->task));
		return print_added(ctl, kid);
	}
	TRY(check_here(ctl, known.added->kid));
	TRY(check_wait(ctl, known.added));
	TRY(check_published(ctl, known.added->kid));
	return use(ctl, &known, known.added->kid);
}

enum fail
run_keys_retire(struct ctl *ctl)
{
	struct output output = output_new(ctl);
	const struct signing_key *key;
	struct known_keys known;

	TRY(read_all(ctl, &known));
	TRY(find(ctl, &known, &key));
	if (key == known.current)
		return refuse(
		        ctl, "key_state",
		        "The current key retires when another one is used (run: billingctl "
		        "keys add).");
	if (key == known.added) {
		TRY(signing_key_withdraw(&ctl->operation, key->kid));
		TRY(db_commit(ctl->operation.db, &ctl->task));
	}
	TRY(signing_keys_tidy(&ctl->operation, ctl->settings.keys_dir));
	output_text(&output, "kid", key->kid);
	output_text(&output, "state", key == known.added ? "retired" : key->state);
	output_time(&output, "published_until", key->publish_until);
	return output_print(&output);
}

/* Another key must sign instead of the current one, without a waiting time. */
static enum fail
replace_current(struct ctl *ctl, const struct known_keys *known, const char **kid)
{
	if (known->added == NULL) {
		TRY(add(ctl, known, kid));
	} else {
		TRY(check_here(ctl, known->added->kid));
		*kid = known->added->kid;
	}
	return signing_key_use(&ctl->operation, *kid, INSTANT_MS(ctl->operation.now_ms));
}

enum fail
run_keys_distrust(struct ctl *ctl)
{
	struct output output = output_new(ctl);
	const char *why = ctl_option(ctl, "--why"), *kid;
	const struct signing_key *key;
	struct known_keys known;

	if (why == NULL || *why == '\0')
		return ctl_usage(ctl, "--why is needed: it stands in the audit trail");
	TRY(ctl_check_text(ctl, "--why", why, 200, NULL));
	TRY(read_all(ctl, &known));
	TRY(find(ctl, &known, &key));
	if (known.current == NULL)
		return refuse(ctl, "key_state",
		              "No key signs at present (run: billingctl keys rotate --now).");
	kid = known.current->kid;
	if (key == known.current)
		TRY(replace_current(ctl, &known, &kid));
	TRY(signing_key_distrust(&ctl->operation, key->kid, why));
	TRY(db_commit(ctl->operation.db, &ctl->task));
	TRY(place_files(ctl, kid, INSTANT_MS(ctl->operation.now_ms)));
	output_text(&output, "kid", key->kid);
	output_text(&output, "state", "distrusted");
	output_text(&output, "current_kid", kid);
	output_text(&output, "next",
	            "billingd revokes its licences and issues new ones; copy the files of "
	            "KEYS_DIR to every other host; a customer who pinned this key trusts it "
	            "until the application has another");
	return output_print(&output);
}
