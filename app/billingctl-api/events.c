/* events.c: lists the log of events, or follows it. */
#include <stdio.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/text.h"
#include "billingctl-api/request.h"
#include "billingctl/output.h"
#include "events/reader.h"

enum { BATCH = 100, PAUSE_US = 500000, ROUND_ARENA = 64 * 1024 * 1024 };

/* The place to follow from: --cursor, else the present end. */
static enum fail
find_start(struct ctl *ctl, struct event_cursor *out)
{
	const char *cursor = ctl_option(ctl, "--cursor");
	struct page page;

	if (cursor == NULL)
		return event_cursor_now(&ctl->operation, out);
	TRY(page_read(&ctl->task, BATCH, cursor, &page));
	return event_cursor_read(&ctl->task, &page, out);
}

static void
print_event(struct task *task, bool as_json, const struct event *event)
{
	const char *customer_id = event->customer_id;
	struct json_out json = json_out_new(task->arena, 1024);

	if (as_json) {
		event_render(&json, NULL, event);
		(void)printf("%s\n", json.text.data);
		return;
	}
	(void)printf("%s  %s  %-30s  %s  %lld\n", param_time(task, event->created_at),
	             event->event_id, event->type, customer_id == NULL ? "-" : customer_id,
	             (long long)event->sequence);
}

/* Prints what is due behind the place, and moves it. `*left` counts down; below 0: without end. */
static enum fail
print_due(struct operation *operation, bool as_json, const struct event_filter *filter,
          struct event_cursor *place, int64_t *left)
{
	struct event_batch batch;

	TRY(event_batch_read(operation, filter, *place, BATCH, &batch));
	for (size_t i = 0; i < batch.count && *left != 0; i++) {
		print_event(operation->task, as_json, &batch.rows[i]);
		--*left;
	}
	*place = batch.place;
	if (batch.count == 0 && !batch.more)
		(void)usleep(PAUSE_US);
	return output_flush(operation->task);
}

static enum fail
read_filter(struct ctl *ctl, struct event_filter *filter, int64_t *left)
{
	const char *limit = ctl_option(ctl, "--limit");

	*left = -1;
	*filter = (struct event_filter){.type = ctl_option(ctl, "--type"),
	                                .customer_id = ctl_option(ctl, "--customer")};
	if (limit != NULL && (!text_parse_int(limit, left) || *left < 1))
		return ctl_usage(ctl, "--limit must be a positive number");
	if (filter->type != NULL && event_type_check(filter->type) != NULL)
		return ctl_usage(ctl, "--type %s", event_type_check(filter->type));
	return FAIL_NONE;
}

/* Each round has its memory for itself. */
static enum fail
follow(struct ctl *ctl)
{
	struct task round = {.request_id = ctl->task.request_id};
	struct operation operation = ctl->operation;
	struct event_filter filter;
	struct event_cursor place;
	enum fail kind = FAIL_NONE;
	int64_t left;

	TRY(read_filter(ctl, &filter, &left));
	TRY(find_start(ctl, &place));
	round.arena = arena_new(ROUND_ARENA);
	operation.task = &round;
	while (left != 0 && kind == FAIL_NONE) {
		kind = print_due(&operation, ctl->json, &filter, &place, &left);
		if (kind == FAIL_NONE)
			arena_reset(round.arena);
	}
	if (kind != FAIL_NONE)
		(void)task_fail(&ctl->task, kind, round.failure.code, "%s",
		                round.failure.message);
	arena_free(round.arena);
	return kind;
}

enum fail
run_events(struct ctl *ctl)
{
	return ctl_option(ctl, "--follow") != NULL ? follow(ctl) : run_request(ctl);
}
