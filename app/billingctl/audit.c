/* audit.c: billingctl audit verify. */
#include "audit/verify.h"

#include <string.h>

#include "base/arena.h"
#include "billingctl/output.h"
#include "issuing/signing_keys.h"

enum { EXIT_FAULTS = 3, KEYS_MAX = 256 * 1024, HEADS_MAX = 64 * 1024 * 1024 };

const struct ctl_exit audit_verify_exits[] = {
        {EXIT_FAULTS, "the trail or its chain was changed"},
        {0, NULL},
};

/* The keys of --keys, else all that the database has had. */
static enum fail
read_keys(struct ctl *ctl, struct audit_head_keys *out)
{
	const char *path = ctl_option(ctl, "--keys");
	struct license_keys *keys = &ctl->billing.keys;
	struct audit_lost_key *lost;
	const struct signing_key *known;
	const char *pem = NULL;
	size_t count;

	license_keys_init(keys);
	*out = (struct audit_head_keys){.keys = keys};
	if (path != NULL) {
		TRY(ctl_read_text(ctl, path, KEYS_MAX, &pem));
		return license_keys_add_pem(&ctl->task, keys, pem);
	}
	TRY(signing_key_list(&ctl->operation, &known, &count));
	out->lost = lost = arena_array(ctl->task.arena, count + 1, sizeof(*lost));
	for (size_t i = 0; i < count && keys->count < LICENSE_KEYS_MAX; i++) {
		TRY(license_keys_add_public(&ctl->task, keys, known[i].public_pem, NULL));
		if (known[i].distrusted_at.known)
			lost[out->lost_count++] =
			        (struct audit_lost_key){known[i].kid, known[i].distrusted_at};
	}
	return FAIL_NONE;
}

static enum fail
read_heads(struct ctl *ctl, const char **out)
{
	const char *path = ctl_option(ctl, "--heads");

	if (path != NULL)
		return ctl_read_text(ctl, path, HEADS_MAX, out);
	return audit_heads_file(&ctl->task, ctl->settings.audit_heads_file, out);
}

/* Without a head, billingd may append to another file than the one that was read. */
static const char *
message_of(struct ctl *ctl, const struct audit_fault *fault)
{
	const char *path = ctl_option(ctl, "--heads");

	if (strcmp(fault->fault, "no_head") != 0)
		return fault->message;
	return arena_printf(ctl->task.arena, "%s in %s", fault->message,
	                    path != NULL ? path : ctl->settings.audit_heads_file);
}

enum fail
run_audit_verify(struct ctl *ctl)
{
	struct output output = output_new(ctl);
	struct audit_head_keys keys;
	struct audit_verdict verdict;
	const char *heads = "";

	TRY(read_keys(ctl, &keys));
	TRY(read_heads(ctl, &heads));
	TRY(audit_verify(&ctl->operation, &keys, heads, &verdict));
	ctl->status = verdict.found > 0 ? EXIT_FAULTS : CTL_DONE;
	output_list(&output, "faults");
	output_none(&output, "Nothing was changed, removed or inserted.");
	for (size_t i = 0; i < verdict.listed; i++) {
		const struct audit_fault *fault = &verdict.faults[i];

		output_row(&output);
		output_text(&output, "fault", fault->fault);
		output_int(&output, "position", fault->position);
		output_int(&output, "id", fault->audit_id);
		output_text(&output, "message", message_of(ctl, fault));
	}
	output_list_end(&output);
	output_int(&output, "found", verdict.found);
	output_int(&output, "entries", verdict.entries);
	output_int(&output, "links", verdict.links);
	output_int(&output, "waiting", verdict.waiting);
	output_int(&output, "signed_heads", verdict.heads);
	output_int(&output, "torn_lines", verdict.torn);
	output_int(&output, "position", verdict.position);
	output_text(&output, "hash", verdict.hash);
	return output_print(&output);
}
