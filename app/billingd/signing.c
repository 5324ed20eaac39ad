/* signing.c: keeps the signing keys of a process as the database has them.
 *
 * The local jobs compare the keys in the database every few seconds, and at once when another process
 * tells of a change. They count changes in memory that the host's processes share; each process
 * compares the count before it begins a request or a round of jobs, so no request asks the database. */
#include "billingd/signing.h"

#include <string.h>

#include "base/arena.h"
#include "base/log.h"
#include "issuing/signing_keys.h"

enum { ARENA_LIMIT = 8 * 1024 * 1024, RETRY_US = 5 * 1000 * 1000 };

/* An operation on the keys, with an arena of its own. */
static struct operation
begin(struct api *api, struct task *task)
{
	*task = (struct task){.arena = arena_new(ARENA_LIMIT), .request_id = "keys"};
	return (struct operation){.task = task,
	                          .db = api->db,
	                          .billing = &api->billing,
	                          .actor = "system:keys",
	                          .now_ms = db_now_ms(api->db)};
}

static void
end(struct api *api, struct task *task, enum fail kind)
{
	db_rollback_to(api->db, 0);
	if (kind != FAIL_NONE)
		log_line(LOG_LEVEL_WARNING, "the signing keys cannot be read",
		         LOG_S("code", task->failure.code),
		         LOG_S("reason", task->failure.message));
	arena_free(task->arena);
}

/* Replaces the set of the process. */
static enum fail
replace(struct operation *operation, struct api *api)
{
	struct license_keys keys;
	enum fail kind;

	TRY(signing_keys_load(operation, api->settings->keys_dir, &keys));
	kind = license_keys_warm(operation->task, &keys);
	if (kind != FAIL_NONE || keys.count == 0) {
		license_keys_release(&keys);
		return kind;
	}
	license_keys_release(&api->billing.keys);
	api->billing.keys = keys;
	if (license_keys_signing(&keys) == NULL)
		log_line(LOG_LEVEL_ERROR, "KEYS_DIR lacks the private half of the signing key",
		         LOG_S("kid", keys.items[0].kid),
		         LOG_S("keys_dir", api->settings->keys_dir));
	return FAIL_NONE;
}

static void
load(struct api *api)
{
	int changes = atomic_load(api->key_changes);
	struct task task;
	struct operation operation = begin(api, &task);
	enum fail kind = replace(&operation, api);

	if (kind == FAIL_NONE)
		api->key_changes_seen = changes;
	else
		api->key_retry_us = clock_monotonic_us() + RETRY_US;
	end(api, &task, kind);
}

void
signing_refresh(struct api *api)
{
	if (api->key_changes != NULL &&
	    atomic_load(api->key_changes) != api->key_changes_seen &&
	    clock_monotonic_us() >= api->key_retry_us)
		load(api);
}

/* Makes the folder follow the keys in the database. The service may not be allowed to write there. */
static void
tidy(const struct operation *operation, struct api *api)
{
	struct task task = task_attempt(operation->task);
	struct operation attempt = *operation;

	attempt.task = &task;
	if (signing_keys_tidy(&attempt, api->settings->keys_dir) != FAIL_NONE)
		log_line(LOG_LEVEL_INFO,
		         "KEYS_DIR has files of keys that are no longer published; see: "
		         "billingctl doctor",
		         LOG_S("reason", task.failure.message));
}

static enum fail
look(struct operation *operation, struct api *api)
{
	const char *version;

	TRY(signing_keys_version(operation, &version));
	if (*version == '\0') {
		TRY(signing_keys_register(operation, api->settings->keys_dir));
		TRY(signing_keys_version(operation, &version));
	}
	if (strcmp(version, api->key_version) == 0)
		return FAIL_NONE;
	/* At the start the licences of a key that only this host knows may be live. */
	if (*api->key_version == '\0')
		TRY(signing_keys_register(operation, api->settings->keys_dir));
	(void)strncpy(api->key_version, version, sizeof(api->key_version) - 1);
	atomic_fetch_add(api->key_changes, 1);
	tidy(operation, api);
	return FAIL_NONE;
}

/* Looks whether an operator has put the missing private half into KEYS_DIR. In a database that was
 * restored from a backup no key may be current: then the one that signs in KEYS_DIR becomes it. */
static void
look_for_file(struct api *api)
{
	struct task task;
	struct operation operation;

	if (license_keys_signing(&api->billing.keys) != NULL)
		return;
	operation = begin(api, &task);
	end(api, &task, signing_keys_register(&operation, api->settings->keys_dir));
	load(api);
	if (license_keys_signing(&api->billing.keys) != NULL)
		atomic_fetch_add(api->key_changes, 1);
}

void
signing_watch(struct api *api)
{
	struct task task;
	struct operation operation = begin(api, &task);

	end(api, &task, look(&operation, api));
	signing_refresh(api);
	look_for_file(api);
}
