/* import.c: one run of billingctl import: its answer, its progress, and what was skipped. */
#include "billingctl-import/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "json/out.h"

/* Remarks in the answer; --report has all of them. */
enum { LISTED_MAX = 1000 };

/* An exit status for scripts. */
enum { LEFT_OUT = 3 };

static const size_t step_arena = (size_t)128 * 1024 * 1024;
static const int64_t progress_us = 5000000;

const struct ctl_exit import_exits[] = {
        {LEFT_OUT, "done, but for what is listed as skipped"},
        {0},
};

static enum fail
open_report(struct import *import, const char *path)
{
	int file;

	if (path == NULL)
		return FAIL_NONE;
	file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (file >= 0)
		import->report = fdopen(file, "w");
	return import->report != NULL ? FAIL_NONE
	                              : file_unwritable(&import->ctl->task, path, errno);
}

enum fail
import_begin(struct import *import, struct ctl *ctl)
{
	struct task *task = &ctl->task;

	*import = (struct import){
	        .ctl = ctl,
	        .dry_run = ctl_option(ctl, "--dry-run") != NULL,
	        .step = {.arena = arena_new(step_arena), .request_id = task->request_id},
	        .operation = ctl->operation,
	        .output = output_new(ctl),
	        .shown_us = clock_monotonic_us(),
	};
	import->operation.task = &import->step;
	import->operation.without_events = true;
	output_list(&import->output, "remarks");
	output_none(&import->output, "Nothing was skipped or changed.");
	if (import->dry_run) {
		import->memory = import_memory_new();
		ctl->says_stored = false;
	}
	return open_report(import, ctl_option(ctl, "--report"));
}

void
import_end(struct import *import)
{
	db_rollback_to(import->ctl->operation.db, 0);
	db_free(import->source);
	if (import->report != NULL)
		fclose(import->report);
	arena_free(import->step.arena);
	import_memory_free(import->memory);
}

enum fail
import_step_end(struct import *import, enum fail kind)
{
	struct task *task = &import->ctl->task;

	if (kind != FAIL_NONE)
		(void)task_fail(task, kind, arena_copy(task->arena, import->step.failure.code),
		                "%s", import->step.failure.message);
	task_clear(&import->step);
	arena_reset(import->step.arena);
	return kind;
}

static void
write_line(struct import *import, const char *what, const char *done, const char *id,
           int64_t things, const char *why)
{
	struct json_out json = json_out_new(import->step.arena, 256);

	json_out_open(&json, NULL, '{');
	json_out_string(&json, "what", what);
	json_out_string(&json, "done", done);
	json_out_string(&json, "id", id);
	json_out_int(&json, "count", things);
	json_out_string(&json, "why", why);
	json_out_close(&json, '}');
	fprintf(import->report, "%s\n", json.text.data);
}

void
import_remark(struct import *import, struct import_count *count, const char *done,
              const char *id, int64_t things, const char *why)
{
	struct output *output = &import->output;

	import->remarks++;
	if (*done == 's') {
		count->skipped += things;
		import->skipped += things;
	}
	if (import->report != NULL)
		write_line(import, count->name, done, id, things, why);
	if (import->listed == LISTED_MAX)
		return;
	import->listed++;
	output_row(output);
	output_text(output, "what", count->name);
	output_text(output, "done", done);
	/* The answer is printed when the step's arena is empty. */
	output_text(output, "id", arena_copy(output->task->arena, id));
	output_int(output, "count", things);
	output_text(output, "why", arena_copy(output->task->arena, why));
}

void
import_progress(struct import *import, const struct import_count *count, int64_t total)
{
	int64_t now_us = clock_monotonic_us();

	if (now_us - import->shown_us < progress_us)
		return;
	import->shown_us = now_us;
	if (total == 0)
		fprintf(stderr, "billingctl: %s: %lld\n", count->name, (long long)count->read);
	else
		fprintf(stderr, "billingctl: %s: %lld of %lld\n", count->name,
		        (long long)count->read, (long long)total);
}

void
import_put_count(struct import *import, const struct import_count *count)
{
	struct arena *arena = import->ctl->task.arena;
	struct output *output = &import->output;

	output_list_end(output);
	output_int(output, arena_printf(arena, "%s_read", count->name), count->read);
	output_int(output, arena_printf(arena, "%s_made", count->name), count->made);
	output_int(output, arena_printf(arena, "%s_here", count->name), count->here);
	output_int(output, arena_printf(arena, "%s_skipped", count->name), count->skipped);
}

static const char *
tail_of(const struct import *import)
{
	const char *dry = import->dry_run ? "Nothing was changed: this was a dry run." : NULL;

	if (import->remarks > LISTED_MAX)
		return arena_printf(import->ctl->task.arena,
		                    "%lld more remarks; --report FILE writes all of them.%s%s",
		                    (long long)import->remarks - LISTED_MAX,
		                    dry == NULL ? "" : "\n", dry == NULL ? "" : dry);
	return dry;
}

enum fail
import_print(struct import *import)
{
	const char *tail = tail_of(import);

	output_list_end(&import->output);
	output_bool(&import->output, "dry_run", import->dry_run);
	output_int(&import->output, "remarks_count", import->remarks);
	if (tail != NULL)
		output_tail(&import->output, tail);
	import->ctl->status = import->skipped > 0 ? LEFT_OUT : CTL_DONE;
	return output_print(&import->output);
}
