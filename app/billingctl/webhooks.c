/* webhooks.c: billingctl webhooks enable and key. */
#include "base/arena.h"
#include "billing/audit.h"
#include "billingctl/output.h"
#include "webhooks/endpoints.h"
#include "webhooks/known_keys.h"

enum fail
run_webhooks_enable(struct ctl *ctl)
{
	const struct webhook_endpoint_change change = {.enabled = {true, true}};
	struct output output = output_new(ctl);
	struct webhook_endpoint endpoint;

	TRY(webhook_endpoint_update(&ctl->operation, ctl->argument, &change, &endpoint));
	output_text(&output, "endpoint_id", endpoint.endpoint_id);
	output_text(&output, "state", endpoint.state);
	return output_print(&output);
}

/* Seals all secrets under the key before the change counts. */
static enum fail
change_key(struct ctl *ctl, struct webhook_keys *keys, const char **public_key)
{
	struct operation *operation = &ctl->operation;

	TRY(webhook_endpoints_reseal(operation, keys));
	*public_key = arena_copy(ctl->task.arena, keys->current.public_text);
	return audit_record(operation, "webhook_key_change", NULL, *public_key, NULL);
}

enum fail
run_webhooks_key(struct ctl *ctl)
{
	struct operation *operation = &ctl->operation;
	struct output output = output_new(ctl);
	const char *public_key = NULL;
	struct webhook_keys keys;
	enum fail kind;

	TRY(db_begin(operation->db, &ctl->task));
	TRY(webhook_key_change(operation, ctl->settings.keys_dir, &keys));
	kind = change_key(ctl, &keys, &public_key);
	webhook_keys_release(&keys);
	TRY(kind);
	TRY(db_commit(operation->db, &ctl->task));
	output_text(&output, "public_key", public_key);
	output_text(&output, "keys_dir", ctl->settings.keys_dir);
	return output_print(&output);
}
