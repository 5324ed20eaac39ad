/* state.c: reads and writes the files in the agent's folder. */
#include "agent-store/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/random.h"
#include "base/text.h"

enum { TEXT_MAX = 8 * 1024 * 1024, INSTANCE_BYTES = 16 };

static const char *const outcome_names[SYNC_OUTCOME_COUNT] = {
        [SYNC_DONE] = "done",       [SYNC_UNREACHABLE] = "unreachable",
        [SYNC_REFUSED] = "refused", [SYNC_UNTRUSTED] = "untrusted",
        [SYNC_BROKEN] = "broken",   [SYNC_BUSY] = "busy",
};

const char *
state_outcome_name(enum sync_outcome outcome)
{
	return outcome_names[outcome];
}

char *
state_path(struct arena *arena, const struct state *state, const char *name)
{
	return arena_printf(arena, "%s/%s", state->dir, name);
}

static enum fail
make_folder(struct task *task, const char *path)
{
	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return FAIL_NONE;
	return task_fail(task, FAIL_UNAVAILABLE, "state_unwritable",
	                 "The folder %s cannot be made: %s (AGENT_STATE_DIR).", path,
	                 strerror(errno));
}

const char *
state_text(struct task *task, const struct state *state, const char *name)
{
	struct task reading = task_attempt(task);
	size_t length;
	char *text;

	if (file_read(&reading, state_path(task->arena, state, name), TEXT_MAX, &text,
	              &length) != FAIL_NONE ||
	    strlen(text) != length)
		return "";
	return text;
}

enum fail
state_keep_text(struct task *task, const struct state *state, const char *name,
                const char *text)
{
	if (strcmp(state_text(task, state, name), text) == 0)
		return FAIL_NONE;
	return file_write(task, state_path(task->arena, state, name), 0600, text, strlen(text),
	                  true);
}

enum fail
state_keep_json(struct task *task, const struct state *state, const char *name,
                struct json_out *json)
{
	json_out_close(json, '}');
	return state_keep_text(task, state, name, json->text.data);
}

/* INSTANCE_ID, else the kept id, else a new one. */
static enum fail
find_instance(struct task *task, struct state *state)
{
	const char *kept = state_text(task, state, "instance-id");
	size_t length = strspn(kept, "inst_" TEXT_HEX);

	state->instance_id = state->settings->instance_id;
	if (*state->instance_id != '\0')
		return FAIL_NONE;
	if (text_starts_with(kept, "inst_") && length == 5 + 2 * INSTANCE_BYTES &&
	    strcmp(kept + length, "\n") == 0) {
		state->instance_id = arena_copy_bytes(task->arena, kept, length);
		return FAIL_NONE;
	}
	state->instance_id = random_id(task->arena, "inst_", INSTANCE_BYTES);
	return state_keep_text(task, state, "instance-id",
	                       arena_printf(task->arena, "%s\n", state->instance_id));
}

enum fail
state_open(struct task *task, const struct agent_settings *settings, struct state *out)
{
	*out = (struct state){.settings = settings, .dir = settings->state_dir};
	TRY(make_folder(task, out->dir));
	TRY(make_folder(task, state_path(task->arena, out, "usage")));
	out->clock_path = state_path(task->arena, out, "clock");
	return find_instance(task, out);
}

/* Whether file_write() or clock_mark_write() uses such a name for its temporary file. */
static bool
is_temporary(const char *name)
{
	return strstr(name, ".new-") != NULL || text_starts_with(name, "clock.");
}

void
state_sweep(struct task *task, const struct state *state)
{
	const int64_t before_s = (clock_now_ms() - HOUR_MS) / SECOND_MS;
	const char *const folders[] = {state->dir, state_path(task->arena, state, "usage")};
	const struct dirent *entry;
	struct stat status;

	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		DIR *folder = opendir(folders[i]);

		while (folder != NULL && (entry = readdir(folder)) != NULL)
			if (is_temporary(entry->d_name) &&
			    fstatat(dirfd(folder), entry->d_name, &status,
			            AT_SYMLINK_NOFOLLOW) == 0 &&
			    S_ISREG(status.st_mode) && status.st_mtime < before_s)
				(void)unlinkat(dirfd(folder), entry->d_name, 0);
		if (folder != NULL)
			closedir(folder);
	}
}

bool
state_object(struct task *task, const struct state *state, const char *name,
             struct json_view *out)
{
	const char *text = state_text(task, state, name);

	return json_view_try(task->arena, text, strlen(text), out);
}

struct kept_license
state_license(struct task *task, const struct state *state)
{
	struct kept_license kept = {"", ""};
	struct json_view object;

	if (!state_object(task, state, "license.json", &object) ||
	    !json_view_string(&object, "license", &kept.token) ||
	    !json_view_string(&object, "etag", &kept.etag))
		return (struct kept_license){"", ""};
	return kept;
}

enum fail
state_keep_license(struct task *task, const struct state *state, const char *token,
                   const char *etag)
{
	struct json_out json = json_out_new(task->arena, 4096);

	json_out_open(&json, NULL, '{');
	json_out_string(&json, "license", token);
	json_out_string(&json, "etag", etag);
	return state_keep_json(task, state, "license.json", &json);
}

static struct instant
read_instant(const struct json_view *object, const char *name)
{
	struct instant out = INSTANT_NONE;
	const char *text;

	if (json_view_string(object, name, &text))
		out.known = clock_parse(text, &out.ms);
	return out.known ? out : INSTANT_NONE;
}

void
state_sync(struct task *task, const struct state *state, struct sync_state *out)
{
	struct json_view object;
	const char *name;

	*out = (struct sync_state){.message = ""};
	if (!state_object(task, state, "sync.json", &object) ||
	    !json_view_string(&object, "outcome", &name))
		return;
	for (size_t i = 0; i < SYNC_OUTCOME_COUNT; i++)
		if (strcmp(outcome_names[i], name) == 0)
			out->outcome = (enum sync_outcome)i;
	out->at = read_instant(&object, "at");
	out->contact = read_instant(&object, "contact");
	if (!json_view_int(&object, "retry_after", &out->retry_after_s) ||
	    out->retry_after_s < 0)
		out->retry_after_s = 0;
	(void)json_view_string(&object, "message", &out->message);
}

enum fail
state_keep_sync(struct task *task, const struct state *state, const struct sync_state *sync)
{
	struct json_out json = json_out_new(task->arena, 256);

	json_out_open(&json, NULL, '{');
	json_out_string(&json, "outcome", outcome_names[sync->outcome]);
	json_out_time(&json, "at", sync->at);
	json_out_time(&json, "contact", sync->contact);
	json_out_int(&json, "retry_after", sync->retry_after_s);
	json_out_string(&json, "message", sync->message);
	return state_keep_json(task, state, "sync.json", &json);
}

int
state_lock(struct task *task, const struct state *state, const char *name)
{
	int file =
	        open(state_path(task->arena, state, name), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (file >= 0 && flock(file, LOCK_EX | LOCK_NB) != 0) {
		int error = errno;

		close(file);
		errno = error;
		return -1;
	}
	return file;
}
