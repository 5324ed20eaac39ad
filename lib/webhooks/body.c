/* body.c: the body of a delivery, made when it is sent: what was taken out of an event meanwhile, as
 * the personal data of a customer who was deleted, is not sent. */
#include "webhooks/body.h"

#include "json/out.h"

static void
add_test(struct json_out *json, const struct webhook_taken *taken)
{
	json_out_open(json, "data", '{');
	json_out_string(json, "endpoint_id", taken->endpoint_id);
	json_out_string(json, "message", "This is a test.");
	json_out_close(json, '}');
}

const char *
webhook_body(struct arena *arena, const struct webhook_taken *taken)
{
	struct json_out json;

	if (!taken->test && taken->data == NULL)
		return NULL;
	json = json_out_new(arena, 2048);
	json_out_open(&json, NULL, '{');
	json_out_string(&json, "type", taken->type);
	json_out_time(&json, "timestamp", taken->event_at);
	json_out_string(&json, "id", taken->event_id);
	json_out_string(&json, "customer_id", taken->customer_id);
	if (taken->test) {
		add_test(&json, taken);
	} else {
		json_out_int(&json, "sequence", taken->sequence);
		json_out_raw(&json, "data", taken->data);
	}
	json_out_close(&json, '}');
	return json.text.data;
}
