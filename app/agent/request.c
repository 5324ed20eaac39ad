/* request.c: writes a request for a licence that is bound to this instance. */
#include "agent/bundle.h"

#include <string.h>

#include "base/file.h"
#include "base/random.h"
#include "base/text.h"
#include "base/version.h"
#include "base/wire.h"

/* Bytes of a nonce. */
enum { NONCE_BYTES = 16 };

enum fail
request_write(struct task *task, const struct state *state, const char *path,
              struct license_request *out)
{
	const struct agent_settings *settings = state->settings;
	struct json_out json = json_out_new(task->arena, 512);

	*out = (struct license_request){.instance_id = state->instance_id,
	                                .kind = settings->instance_kind,
	                                .nonce = random_id(task->arena, "", NONCE_BYTES)};
	json_out_open(&json, NULL, '{');
	json_out_string(&json, "format", WIRE_REQUEST_FORMAT);
	json_out_string(&json, "customer_id", text_or_null(settings->customer_id));
	json_out_string(&json, "instance_id", out->instance_id);
	json_out_string(&json, "kind", out->kind);
	json_out_string(&json, "nonce", out->nonce);
	json_out_open(&json, "versions", '{');
	json_out_string(&json, "billing-agent", VERSION);
	json_out_string(&json, "liblicense", license_version());
	json_out_close(&json, '}');
	json_out_time(&json, "requested_at", INSTANT_MS(clock_now_ms()));
	json_out_close(&json, '}');
	text_add_char(&json.text, '\n');
	return file_write(task, path, 0600, json.text.data, json.text.length, false);
}
