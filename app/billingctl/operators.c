/* operators.c: billingctl operator create, list and revoke, console link, and apikey create. */
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "billing/customers.h"
#include "billingctl/output.h"
#include "callers/session_links.h"

enum { NAME_MAX_CHARACTERS = 100 };

static const char key_id_start[] = "key_";

/* `operator revoke` takes a name or a key's id, so a name must not look like an id. */
static const char *
check_name(const char *name)
{
	return text_starts_with(name, key_id_start) ? "must not start with key_"
	                                            : customer_check_name(name);
}

enum fail
run_operator_create(struct ctl *ctl)
{
	struct output output = output_new(ctl);
	const char *role = ctl_option(ctl, "--role");
	struct api_key_minted minted;

	if (role == NULL)
		role = "viewer";
	if (strcmp(role, "owner") != 0 && strcmp(role, "viewer") != 0)
		return ctl_usage(ctl, "--role must be owner or viewer");
	TRY(ctl_check_text(ctl, "the name", ctl->argument, NAME_MAX_CHARACTERS, check_name));
	TRY(db_begin(ctl->operation.db, &ctl->task));
	TRY(api_key_create(&ctl->operation, NULL, role, ctl->argument, SCOPE_NONE, &minted));
	TRY(ctl_commit_key(ctl, minted.secret));
	output_text(&output, "key_id", minted.key.key_id);
	output_text(&output, "name", minted.key.name);
	output_text(&output, "role", minted.key.role);
	output_text_or_file(&output, "api_key", minted.secret, "key_file",
	                    ctl_option(ctl, "--key-out"));
	return output_print(&output);
}

enum fail
run_operator_list(struct ctl *ctl)
{
	struct output output = output_new(ctl);
	const struct api_key *keys = NULL;
	size_t count = 0;

	TRY(api_key_list(&ctl->operation, NULL, &keys, &count));
	output_list(&output, "operators");
	for (size_t i = 0; i < count; i++) {
		output_row(&output);
		output_text(&output, "key_id", keys[i].key_id);
		output_text(&output, "name", keys[i].name);
		output_text(&output, "role", keys[i].role);
		output_text(&output, "prefix", keys[i].prefix);
		output_time(&output, "created_at", keys[i].created_at);
		output_time(&output, "last_used_at", keys[i].last_used_at);
		output_time(&output, "revoked_at", keys[i].revoked_at);
	}
	return output_print(&output);
}

/* The argument when it is a key's id, else the id of the live key with that name. */
static enum fail
find_key_id(struct ctl *ctl, const char **out)
{
	const struct api_key *keys = NULL;
	size_t count = 0;

	*out = ctl->argument;
	if (text_starts_with(ctl->argument, key_id_start))
		return FAIL_NONE;
	TRY(api_key_list(&ctl->operation, NULL, &keys, &count));
	for (size_t i = 0; i < count; i++)
		if (!keys[i].revoked_at.known && text_equal(keys[i].name, ctl->argument)) {
			*out = keys[i].key_id;
			return FAIL_NONE;
		}
	return task_fail(
	        &ctl->task, FAIL_NOT_FOUND, "operator_not_found",
	        "There is no operator %s with a live key (see: billingctl operator list).",
	        ctl->argument);
}

enum fail
run_operator_revoke(struct ctl *ctl)
{
	struct output output = output_new(ctl);
	const char *key_id = NULL;

	TRY(find_key_id(ctl, &key_id));
	TRY(api_key_revoke(&ctl->operation, NULL, key_id));
	output_text(&output, "key_id", key_id);
	output_time(&output, "revoked_at", INSTANT_MS(ctl->operation.now_ms));
	return output_print(&output);
}

/* The one live owner. */
static enum fail
find_owner(struct ctl *ctl, const char **out)
{
	const struct api_key *keys = NULL;
	size_t count = 0;

	*out = NULL;
	TRY(api_key_list(&ctl->operation, NULL, &keys, &count));
	for (size_t i = 0; i < count; i++) {
		if (keys[i].revoked_at.known || !text_equal(keys[i].role, "owner"))
			continue;
		if (*out != NULL)
			return ctl_usage(ctl, "there are several owners; name one (see: "
			                      "billingctl operator list)");
		*out = keys[i].key_id;
	}
	if (*out != NULL)
		return FAIL_NONE;
	return task_fail(
	        &ctl->task, FAIL_NOT_FOUND, "operator_not_found",
	        "There is no owner yet (billingctl operator create NAME --role owner).");
}

enum fail
run_console_link(struct ctl *ctl)
{
	struct output output = output_new(ctl);
	const char *key_id = NULL;
	struct session_link link;

	TRY(ctl->argument == NULL ? find_owner(ctl, &key_id) : find_key_id(ctl, &key_id));
	TRY(session_link_operator(&ctl->operation, key_id, &link));
	output_text(&output, "url", link.url);
	output_text(&output, "key_id", key_id);
	output_time(&output, "expires_at", link.expires_at);
	return output_print(&output);
}

/* The scopes of --scopes; all without it. */
static enum fail
read_scopes(struct ctl *ctl, unsigned int *out)
{
	const char *cursor = ctl_option(ctl, "--scopes");
	const char *item, *fault;
	size_t length;

	*out = cursor == NULL ? (unsigned int)SCOPE_ALL : SCOPE_NONE;
	while (cursor != NULL && text_next_item(&cursor, &item, &length)) {
		const char *name = arena_copy_bytes(ctl->task.arena, item, length);
		const struct string_list one = {.present = true, .count = 1, .items = &name};

		fault = api_key_check_scope(name);
		if (fault != NULL)
			return ctl_usage(ctl, "--scopes %s", fault);
		*out |= api_key_scopes(&one);
	}
	return *out == SCOPE_NONE ? ctl_usage(ctl, "--scopes names no scope") : FAIL_NONE;
}

enum fail
run_apikey_create(struct ctl *ctl)
{
	struct output output = output_new(ctl);
	const char *name = ctl_option(ctl, "--name"), *id;
	struct api_key_minted minted;
	unsigned int scopes;

	TRY(read_scopes(ctl, &scopes));
	if (name != NULL)
		TRY(ctl_check_text(ctl, "--name", name, NAME_MAX_CHARACTERS,
		                   customer_check_name));
	TRY(ctl_customer_id(ctl, &id));
	TRY(db_begin(ctl->operation.db, &ctl->task));
	TRY(api_key_create(&ctl->operation, id, "customer", name, scopes, &minted));
	TRY(ctl_commit_key(ctl, minted.secret));
	output_text(&output, "customer_id", id);
	output_text(&output, "key_id", minted.key.key_id);
	output_text(&output, "name", minted.key.name);
	output_text_or_file(&output, "api_key", minted.secret, "key_file",
	                    ctl_option(ctl, "--key-out"));
	return output_print(&output);
}
