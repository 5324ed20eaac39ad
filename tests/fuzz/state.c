/* state.c: fuzzes the files of the agent's folder: each input replaces one of them. The agent
 * starts, answers and counts usage. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/bundle.h"
#include "base/arena.h"
#include "base/log.h"
#include "licensing/clock_mark.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {"license.json",
                                    "sync.json",
                                    "usage/current.json",
                                    "usage/sent.json",
                                    "usage/000000000000000002.json",
                                    "usage/chain.json",
                                    "clock",
                                    "revocations.jwt",
                                    "instance-id",
                                    "keys.json",
                                    "usage/doubt.json"};

enum { NAMES = sizeof(names) / sizeof(*names) };

static void
put(const char *path, const uint8_t *data, size_t size)
{
	FILE *file = fopen(path, "w");

	if (file == NULL || fwrite(data, 1, size, file) != size || fclose(file) != 0)
		abort();
}

/* Runs the agent on files of any content. */
static void
use(struct task *task, const struct state *state)
{
	static const char body[] = "{\"counts\":{\"a\":1}}";
	struct license_cache cache = {0};
	struct report *reports;
	struct spool spool;
	struct json_view view;
	size_t before = 0, after = 0;
	int64_t number;

	if (license_cache_load(task, state, true, &cache) == FAIL_NONE)
		(void)license_cache_json(task, state, &cache, &(struct tally){0});
	license_cache_release(&cache);
	task_clear(task);
	if (spool_list(task, state, &reports, &before) != FAIL_NONE ||
	    spool_compact(task, state, 10) != FAIL_NONE)
		abort();
	spool_open(task, state, &spool);
	number = spool.number;
	if (json_view_open(task, body, sizeof(body) - 1, &view) != FAIL_NONE)
		abort();
	if (spool_post(task, &spool, &view) != FAIL_NONE) {
		task_clear(task); /* 32 other metrics are there already */
		return;
	}
	if (spool_make_report(task, &spool, 1767225600000) != FAIL_NONE ||
	    spool.number != number + 1 ||
	    spool_list(task, state, &reports, &after) != FAIL_NONE || after == 0 ||
	    reports[after - 1].number != number ||
	    spool_done(task, state, &reports[after - 1]) != FAIL_NONE)
		abort();
}

/* Removes a folder of files. */
static void
clear(struct arena *arena, const char *path)
{
	DIR *folder = opendir(path);
	const struct dirent *entry;

	while (folder != NULL && (entry = readdir(folder)) != NULL)
		(void)unlink(arena_printf(arena, "%s/%s", path, entry->d_name));
	if (folder != NULL)
		closedir(folder);
	(void)rmdir(path);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct task task = {.arena = NULL};
	static const char *const places[] = {"/dev/shm", "/tmp"};
	char folder[64];
	struct agent_settings settings = {.customer_id = "",
	                                  .instance_id = "",
	                                  .public_key = "",
	                                  .issuer = "",
	                                  .license_jwt = "",
	                                  .upgrade_url = ""};
	struct state state;
	const char *name;

	if (size < 1)
		return 0;
	(void)snprintf(folder, sizeof(folder), "%s/billing-fuzz-XXXXXX",
	               places[access(places[0], W_OK) != 0]);
	if (mkdtemp(folder) == NULL)
		abort();
	task.arena = arena_new(256 * 1024 * 1024);
	log_set_level(LOG_LEVEL_ERROR);
	settings.state_dir = folder;
	name = names[data[0] % NAMES];
	if (state_open(&task, &settings, &state) != FAIL_NONE)
		abort();
	put(state_path(task.arena, &state, name), data + 1, size - 1);
	if (state_open(&task, &settings, &state) != FAIL_NONE)
		abort();
	use(&task, &state);
	clear(task.arena, state_path(task.arena, &state, "usage"));
	clear(task.arena, folder);
	arena_free(task.arena);
	return 0;
}
