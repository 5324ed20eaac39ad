/* bundle.c: imports licences from files and exports usage to files. */
#include "agent/bundle.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent-store/spool_progress.h"
#include "base/arena.h"
#include "base/file.h"
#include "base/file_key.h"
#include "base/random.h"
#include "base/text.h"
#include "base/wire.h"

enum { BUNDLE_MAX = 8 * 1024 * 1024, COPIES_KEPT = 24, CHAIN_BYTES = 8 };

static const char chain_name[] = "usage/chain.json";

/* The members of a licence bundle; `keys` is the text of a JWK set. */
struct bundle {
	const char *license;
	const char *revocations;
	const char *keys;
};

static enum fail
refuse(struct task *task, const char *path, const char *why)
{
	return task_fail(task, FAIL_INVALID, "import_refused", "%s is not imported: %s.", path,
	                 why);
}

static enum fail
read_bundle(struct task *task, const char *path, struct bundle *out)
{
	struct json_view object;
	const char *format;
	size_t length;
	char *text;

	TRY(file_read(task, path, BUNDLE_MAX, &text, &length));
	TRY(json_view_open(task, text, length, &object));
	if (!json_view_string(&object, "format", &format) ||
	    strcmp(format, WIRE_BUNDLE_FORMAT) != 0 ||
	    !json_view_string(&object, "license", &out->license) ||
	    !json_view_string(&object, "revocations", &out->revocations) ||
	    !json_view_string(&object, "keys", &out->keys))
		return refuse(task, path,
		              "it is not a file that billingctl license export writes");
	return FAIL_NONE;
}

/* Whether the licence is genuine, this customer's, for this instance, and no older than the kept one. */
static enum fail
check_license(struct task *task, const struct state *state, const struct bundle *bundle,
              const char *path, struct license *license)
{
	const char *expected = state->settings->customer_id;
	char customer[128];
	int64_t issued, kept;

	(void)license_set(license, state_license(task, state).token);
	kept = license_time(license, "issuedAt");
	if (license_set(license, bundle->license) != LICENSE_OK)
		return refuse(task, path, "there is not enough memory");
	issued = license_time(license, "issuedAt");
	if (issued < 0)
		return refuse(task, path, "its licence is not signed with a trusted key");
	(void)license_text(license, "customerId", customer, sizeof(customer));
	if (*expected != '\0' && strcmp(customer, expected) != 0)
		return refuse(task, path, "its licence is another customer's");
	if (license_verdict(license) == LICENSE_IS_WRONG_INSTANCE)
		return refuse(task, path, "its licence is bound to another instance");
	if (issued < kept)
		return refuse(task, path, "its licence is older than the one at hand");
	return FAIL_NONE;
}

static enum fail
keep_bundle(struct task *task, const struct state *state, const struct bundle *bundle,
            bool with_keys)
{
	if (with_keys)
		TRY(state_keep_text(task, state, STATE_KEYS, bundle->keys));
	TRY(state_keep_text(task, state, STATE_REVOCATIONS, bundle->revocations));
	return state_keep_license(task, state, bundle->license, "");
}

enum fail
bundle_import(struct task *task, const struct state *state, const char *path)
{
	struct license_options options = {.size = sizeof(options)};
	const char *kept_list = state_text(task, state, STATE_REVOCATIONS);
	struct bundle bundle = {0};
	struct license *license;
	enum license_error error;
	enum fail kind;

	TRY(read_bundle(task, path, &bundle));
	options.keys = license_cache_keys(task, state);
	options.issuer = text_or_null(state->settings->issuer);
	options.instance = state->instance_id;
	if (*options.keys == '\0')
		options.keys = bundle.keys;
	if (license_open(&options, &license) != LICENSE_OK)
		return refuse(task, path, "there is no key to trust");
	(void)license_set_revocations(license, kept_list);
	error = license_set_revocations(license, bundle.revocations);
	if (error == LICENSE_ERROR_OLDER)
		bundle.revocations = kept_list;
	kind = error == LICENSE_OK || error == LICENSE_ERROR_OLDER
	               ? check_license(task, state, &bundle, path, license)
	               : refuse(task, path,
	                        "its revocation list is not signed with a trusted key");
	license_close(license);
	TRY(kind);
	return keep_bundle(task, state, &bundle, options.keys == bundle.keys);
}

/* The chain of exported files, by its last file. */
struct chain {
	const char *id;
	int64_t file;       /* its number; 0: none yet */
	const char *digest; /* its SHA-256; "": none yet */
};

static struct chain
read_chain(struct task *task, const struct state *state)
{
	struct json_view object;
	struct chain chain;

	if (!state_object(task, state, chain_name, &object) ||
	    !json_view_string(&object, "chain", &chain.id) ||
	    !json_view_int(&object, "file", &chain.file) || chain.file < 1 ||
	    chain.file > REPORT_NUMBER_MAX ||
	    !json_view_string(&object, "digest", &chain.digest))
		return (struct chain){random_id(task->arena, "", CHAIN_BYTES), 0, ""};
	return chain;
}

static enum fail
keep_chain(struct task *task, const struct state *state, const struct chain *chain)
{
	struct json_out json = json_out_new(task->arena, 128);

	json_out_open(&json, NULL, '{');
	json_out_string(&json, "chain", chain->id);
	json_out_int(&json, "file", chain->file);
	json_out_string(&json, "digest", chain->digest);
	return state_keep_json(task, state, chain_name, &json);
}

static const char *
payload_of(struct task *task, const struct state *state, const struct report *reports,
           size_t count, const struct chain *before)
{
	struct json_out json = json_out_new(task->arena, 256 * (count + 2));

	json_out_open(&json, NULL, '{');
	json_out_string(&json, "customer_id", state->settings->customer_id);
	json_out_string(&json, "instance_id", state->instance_id);
	json_out_string(&json, "chain", before->id);
	json_out_int(&json, "file", before->file + 1);
	json_out_string(&json, "previous", before->digest);
	json_out_time(&json, "exported_at", INSTANT_MS(clock_now_ms()));
	json_out_open(&json, "reports", '[');
	for (size_t i = 0; i < count; i++) {
		json_out_open(&json, NULL, '{');
		json_out_int(&json, "first", reports[i].first);
		json_out_int(&json, "number", reports[i].number);
		report_write(&reports[i], &json);
		json_out_close(&json, '}');
	}
	json_out_close(&json, ']');
	json_out_close(&json, '}');
	return json.text.data;
}

static const char *
sign(struct task *task, const char *api_key, const char *payload)
{
	const char *text = arena_printf(
	        task->arena, "%s.%s",
	        base64url_encode(task->arena, WIRE_USAGE_HEADER, strlen(WIRE_USAGE_HEADER)),
	        base64url_encode(task->arena, payload, strlen(payload)));
	struct bytes signature = file_key_sign(
	        task->arena, api_key, (struct bytes){(const uint8_t *)text, strlen(text)});

	return arena_printf(task->arena, "%s.%s", text,
	                    base64url_encode(task->arena, signature.data, signature.length));
}

static const char *
copy_name(struct arena *arena, int64_t file)
{
	return arena_printf(arena, "exported-%06lld.jwt", (long long)file);
}

/* Fails when the file cannot be written, so that a full disk uses up no number, or when there is one:
 * it may have the only usage that was exported to it before. */
static enum fail
try_to_write(struct task *task, const char *path, const char *text)
{
	const char *trial = arena_printf(task->arena, "%s.part", path);
	struct stat there;

	if (lstat(path, &there) == 0)
		return task_fail(task, FAIL_CONFLICT, "file_exists",
		                 "%s exists and is not overwritten.", path);
	TRY(file_write(task, trial, 0600, text, strlen(text), true));
	(void)unlink(trial);
	return FAIL_NONE;
}

static enum fail
export_locked(struct task *task, const struct state *state, const char *path,
              struct usage_export *out)
{
	struct chain chain = read_chain(task, state);
	struct report *reports = NULL;
	struct sha256 digest;
	const char *token;

	TRY(spool_list(task, state, &reports, &out->reports));
	token = sign(task, state->settings->api_key,
	             payload_of(task, state, reports, out->reports, &chain));
	digest = digest_sha256(token, strlen(token));
	chain.digest = hex_encode(task->arena, digest.bytes, SHA256_SIZE);
	out->file = ++chain.file;
	/* The number is used up before the file exists at `path`: after a crash in between, the
	 * next file gets another number and the same reports, which the service knows by their
	 * ids. A second file with the same number would be refused. */
	TRY(try_to_write(task, path, token));
	TRY(state_keep_text(task, state, copy_name(task->arena, out->file), token));
	TRY(keep_chain(task, state, &chain));
	TRY(file_write(task, path, 0600, token, strlen(token), false));
	for (size_t i = 0; i < out->reports; i++)
		TRY(spool_done(task, state, &reports[i]));
	(void)unlink(state_path(task->arena, state,
	                        copy_name(task->arena, out->file - COPIES_KEPT)));
	return FAIL_NONE;
}

enum fail
bundle_export(struct task *task, const struct state *state, const char *path,
              struct usage_export *out)
{
	const struct agent_settings *settings = state->settings;
	enum fail kind;
	int lock;

	*out = (struct usage_export){0};
	if (*settings->customer_id == '\0' || *settings->api_key == '\0')
		return task_fail(task, FAIL_INVALID, "not_configured",
		                 "CUSTOMER_ID and BILLING_API_KEY are needed to sign usage.");
	lock = state_lock(task, state, STATE_LOCK);
	if (lock < 0 && errno == EWOULDBLOCK)
		return task_fail(task, FAIL_CONFLICT, "busy",
		                 "A session with the service is under way.");
	if (lock < 0)
		return task_fail(task, FAIL_UNAVAILABLE, "state_unwritable",
		                 "%s cannot be locked: %s.", state->dir, strerror(errno));
	kind = export_locked(task, state, path, out);
	close(lock);
	return kind;
}
