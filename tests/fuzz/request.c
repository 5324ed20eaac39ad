/* request.c: fuzzes what the local application sends: a request in pieces is read as the whole
 * is, and a body becomes usage or a refusal. */
#include <stdlib.h>
#include <string.h>

#include "agent-store/tally.h"
#include "agent/local_http.h"
#include "base/arena.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_usage(const char *body, size_t length)
{
	struct task task = {.arena = arena_new(16 * 1024 * 1024)};
	struct tally tally = {0}, again = {0};
	struct json_out json = json_out_new(task.arena, 256);
	struct json_view view;

	if (json_view_open(&task, body, length, &view) == FAIL_NONE &&
	    tally_add(&task, &tally, &view) == FAIL_NONE) {
		json_out_open(&json, NULL, '{');
		tally_write(&tally, &json);
		json_out_close(&json, '}');
		if (json_view_open(&task, json.text.data, json.text.length, &view) !=
		            FAIL_NONE ||
		    tally_add(&task, &again, &view) != FAIL_NONE ||
		    again.metric_count != tally.metric_count ||
		    again.total_devices != tally.total_devices)
			abort();
		tally_merge(&tally, &again);
	}
	arena_free(task.arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct local_request whole, part;
	size_t consumed = 0, part_consumed = 0;
	int status, part_status;
	char *text = malloc(size + 1); /* exactly as long, so that a step too far shows */
	enum local_verdict verdict;

	if (!text)
		return 0;
	memcpy(text, data, size);
	verdict = local_http_read(text, size, &whole, &consumed, &status);
	if ((verdict == LOCAL_WHOLE && consumed > size) ||
	    (verdict == LOCAL_BAD && status < 400))
		abort();
	/* Fewer bytes never make it whole, or another one. */
	if (verdict == LOCAL_WHOLE && consumed > 0 &&
	    local_http_read(text, consumed - 1, &part, &part_consumed, &part_status) ==
	            LOCAL_WHOLE)
		abort();
	if (verdict == LOCAL_WHOLE)
		check_usage(whole.body, whole.body_length);
	check_usage(text, size);
	free(text);
	return 0;
}
