/* keys.c: publishes the public keys of the original service. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"
#include "billingctl-import/steps.h"
#include "issuing/signing_keys.h"

enum { FILE_SIZE_MAX = 32 * 1024, DAYS_USUAL = 400, DAYS_MAX = 3660 };

static const char public_block[] = "-----BEGIN PUBLIC KEY-----";

/* Adds the public keys of all files in the folder; private ones are not read into keys. */
static enum fail
read_folder(struct task *task, const char *folder, struct license_keys *keys)
{
	const char *const *names;
	size_t count, length;
	char *text;

	TRY(file_list(task, folder, ".pem", &names, &count));
	for (size_t i = 0; i < count; i++) {
		const char *path = arena_printf(task->arena, "%s/%s", folder, names[i]);

		if (strstr(names[i], "private") != NULL)
			continue;
		TRY(file_read(task, path, FILE_SIZE_MAX, &text, &length));
		if (strstr(text, public_block) != NULL)
			TRY(license_keys_add_pem(task, keys, text));
	}
	if (keys->count > 0)
		return FAIL_NONE;
	return task_fail(
	        task, FAIL_NOT_FOUND, "key_missing",
	        "There is no public key in %s (run: openssl pkey -in %s/private-key.pem "
	        "-pubout -out %s/public-key.pem).",
	        folder, folder, folder);
}

static enum fail
days_of(struct ctl *ctl, int64_t *days)
{
	const char *value = ctl_option(ctl, "--publish-days");

	*days = DAYS_USUAL;
	if (value != NULL && (!text_parse_int(value, days) || *days < 1 || *days > DAYS_MAX))
		return ctl_usage(ctl, "--publish-days must be a number from 1 to %d", DAYS_MAX);
	return FAIL_NONE;
}

/* The keys must have room, and none may be distrusted; of a dry run it counts those that are new. */
static enum fail
check(struct import *import, const struct license_keys *keys, struct import_count *count)
{
	struct operation *operation = &import->operation;
	const struct signing_key *known = NULL;
	size_t known_count, published = keys->count;

	TRY(signing_key_list(operation, &known, &known_count));
	for (size_t i = 0; i < known_count; i++) {
		bool ours = license_keys_find(keys, known[i].kid) != NULL;

		published += known[i].published && !ours;
		count->here += import->dry_run && ours && known[i].imported_at.known;
		if (ours && strcmp(known[i].state, "distrusted") == 0)
			return task_fail(operation->task, FAIL_CONFLICT, "key_distrusted",
			                 "The key %s is distrusted here.", known[i].kid);
	}
	count->read = (int64_t)keys->count;
	count->made = import->dry_run ? count->read - count->here : 0;
	return published <= SIGNING_KEYS_PUBLISHED_MAX
	               ? FAIL_NONE
	               : task_fail(operation->task, FAIL_CONFLICT, "too_many_keys",
	                           "More than %d keys would be published.",
	                           SIGNING_KEYS_PUBLISHED_MAX);
}

static enum fail
publish(struct import *import, const struct license_keys *keys, int64_t days,
        struct import_count *count)
{
	struct operation *operation = &import->operation;
	struct instant until = INSTANT_MS(operation->now_ms + days * DAY_MS);
	bool changed;

	if (import->dry_run)
		return check(import, keys, count);
	TRY(signing_keys_lock(operation));
	TRY(check(import, keys, count));
	for (size_t i = 0; i < keys->count; i++) {
		TRY(signing_key_import(operation, &keys->items[i], until, &changed));
		count->made += changed;
		count->here += !changed;
	}
	return db_commit(operation->db, operation->task);
}

/* The signing key of this host comes first: the first key of a database becomes the current one. */
static enum fail
register_ours(struct import *import)
{
	struct operation *operation = &import->operation;
	const struct signing_key *known;
	size_t count;

	TRY(signing_key_list(operation, &known, &count));
	if (signing_key_in(known, count, "current") != NULL)
		return FAIL_NONE;
	return signing_keys_register(operation, import->ctl->settings.keys_dir);
}

enum fail
import_keys(struct import *import, const char *folder)
{
	struct import_count count = {.name = "keys"};
	struct license_keys keys;
	int64_t days;
	enum fail kind;

	TRY(days_of(import->ctl, &days));
	TRY(import_step_end(import, register_ours(import)));
	license_keys_init(&keys);
	kind = read_folder(&import->step, folder, &keys);
	if (kind == FAIL_NONE)
		kind = publish(import, &keys, days, &count);
	license_keys_release(&keys);
	import_put_count(import, &count);
	return import_step_end(import, kind);
}
