/* files.c: imports usage files of billing-agent. */
#include "usage/files.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file_key.h"
#include "base/text.h"
#include "billing/audit.h"
#include "billing/customers.h"
#include "json/fields.h"
#include "json/view.h"

enum { CHAIN_ID_MAX = 64, DIGEST_HEX = 64 };

/* An imported file. */
struct file_row {
	int64_t file;
	struct bytes digest;
	bool same_chain;
};

struct name_row {
	const char *report_id;
};

static const struct column file_columns[] = COLUMNS(struct file_row, file, digest, same_chain);

enum { LOCK, BEFORE, SAME, RECORD, NAMES };

static const struct statement statements[] = {
        /* Imports of one customer run one after the other. No row: there is no such
	 * customer. */
        [LOCK] = {"usage_file_lock",
                  .sql = "SELECT FROM customers WHERE customer_id = $1 AND deleted_at IS NULL "
                         "FOR NO KEY UPDATE"},
        /* The last file before $4 of the chain $3; else the last of any chain. */
        [BEFORE] = {"usage_file_before", ROWS_OF(struct file_row, file_columns),
                    .sql = "SELECT file, digest, chain = $3 AS same_chain FROM usage_files "
                           "WHERE customer_id = $1 AND instance_id = $2 "
                           "AND (chain <> $3 OR file < $4::bigint) "
                           "ORDER BY chain = $3 DESC, file DESC LIMIT 1"},
        [SAME] = {"usage_file_same", ROWS_OF(struct file_row, file_columns),
                  .sql = "SELECT file, digest, true AS same_chain FROM usage_files "
                         "WHERE customer_id = $1 AND instance_id = $2 AND chain = $3 "
                         "AND file = $4::bigint"},
        [RECORD] = {"usage_file_record",
                    .sql = "INSERT INTO usage_files (customer_id, instance_id, chain, file, "
                           "digest, reports, imported_at) "
                           "VALUES ($1, $2, $3, $4::bigint, $5, $6::bigint, $7)"},
        /* $2 is the beginning of the ids that the instance's agent gives. */
        [NAMES] = {"usage_file_names", ROWS_WITH(struct name_row, report_id),
                   .sql = "SELECT report_id FROM usage_report_ids WHERE customer_id = $1 "
                          "AND starts_with(report_id, $2)"},
};

const struct statement_list usage_file_statements = STATEMENT_LIST(statements);

struct file_input {
	const char *customer_id;
	const char *instance_id;
	const char *chain;
	int64_t file;
	const char *previous;
	struct instant exported_at;
	struct object_list reports;
};

static const struct field file_fields[] = {
        FIELD(struct file_input, customer_id, .required = true, .min = 1, .max = 100),
        FIELD(struct file_input, instance_id, .required = true, .check = wire_check_id),
        FIELD(struct file_input, chain, .required = true, .min = 1, .max = CHAIN_ID_MAX),
        FIELD(struct file_input, file, .required = true, .min = 1, .max = WIRE_NUMBER_MAX),
        FIELD(struct file_input, previous, .required = true, .max = DIGEST_HEX),
        FIELD(struct file_input, exported_at, .required = true),
        FIELD(struct file_input, reports, .required = true, .max = 100000),
        FIELD_END(struct file_input),
};

struct report_input {
	int64_t first;
	int64_t number;
	const char *report_id;
	struct instant reported_at;
	int64_t active_devices;
	int64_t total_devices;
	struct any_object metrics;
	const char *version;
};

static const struct field report_fields[] = {
        FIELD(struct report_input, first, .required = true, .min = 1, .max = WIRE_NUMBER_MAX),
        FIELD(struct report_input, number, .required = true, .min = 1, .max = WIRE_NUMBER_MAX),
        FIELD(struct report_input, report_id, .required = true, .check = wire_check_id),
        FIELD(struct report_input, reported_at, .required = true),
        FIELD(struct report_input, active_devices, .max = WIRE_DEVICES_MAX),
        FIELD(struct report_input, total_devices, .max = WIRE_DEVICES_MAX),
        FIELD(struct report_input, metrics, .nullable = true),
        FIELD(struct report_input, version, .nullable = true),
        FIELD_END(struct report_input),
};

static enum fail
refuse(struct task *task, const char *why)
{
	task_clear(task);
	(void)task_fail(task, FAIL_INVALID, "usage_file_invalid",
	                "This isn't a usage file of billing-agent: %s.", why);
	return FAIL_INVALID;
}

/* The parts of the file. */
struct parts {
	struct bytes signed_text; /* header, dot and payload as they stand in the file */
	struct bytes payload;
	struct bytes signature;
	bool old; /* WIRE_USAGE_HEADER_OLD */
};

static bool
is_text(struct bytes bytes, const char *text)
{
	return bytes.length == strlen(text) && memcmp(bytes.data, text, bytes.length) == 0;
}

static enum fail
split(struct task *task, const char *text, struct parts *out)
{
	const char *first = strchr(text, '.'),
	           *second = first == NULL ? NULL : strchr(first + 1, '.');
	struct bytes head;

	if (second == NULL ||
	    !base64url_decode(task->arena, text, (size_t)(first - text), &head))
		return refuse(task, "it has another form");
	out->old = is_text(head, WIRE_USAGE_HEADER_OLD);
	if (!out->old && !is_text(head, WIRE_USAGE_HEADER))
		return refuse(task, "it has another form");
	out->signed_text = (struct bytes){(const uint8_t *)text, (size_t)(second - text)};
	if (!base64url_decode(task->arena, first + 1, (size_t)(second - first - 1),
	                      &out->payload) ||
	    !base64url_decode(task->arena, second + 1, strlen(second + 1), &out->signature))
		return refuse(task, "it is cut short or changed");
	return FAIL_NONE;
}

/* A revoked key verifies no file, even one that was written before the revocation. */
static bool
signed_by(const struct api_key *key, const struct parts *parts)
{
	return !key->revoked_at.known && (api_key_scopes(&key->scopes) & SCOPE_USAGE) != 0 &&
	       file_key_verify(key->file_key, parts->signed_text, parts->signature);
}

static enum fail
check_signature(struct operation *operation, const char *customer_id, const struct parts *parts)
{
	const struct api_key *keys;
	size_t count;

	if (parts->old)
		return refuse(
		        operation->task,
		        "an agent older than 1.0 signed it, in a way that proves nothing; "
		        "with --vouch you answer for it yourself");
	TRY(api_key_list(operation, customer_id, &keys, &count));
	for (size_t i = 0; i < count; i++)
		if (signed_by(&keys[i], parts))
			return FAIL_NONE;
	return refuse(
	        operation->task,
	        "no key of its customer signed it, or only one that was made before 1.0 and "
	        "never used here since; with --vouch you answer for it yourself");
}

static enum fail
read_file(struct operation *operation, const char *text, bool vouched, struct file_input *out)
{
	struct task *task = operation->task;
	struct json_view payload;
	struct parts parts = {0};

	*out = (struct file_input){0};
	TRY(split(task, text, &parts));
	if (json_view_open(task, (const char *)parts.payload.data, parts.payload.length,
	                   &payload) != FAIL_NONE ||
	    fields_from_json(task, file_fields, &payload, out) != FAIL_NONE)
		return refuse(task, "its payload makes no sense");
	if (!wire_is_customer_id(out->customer_id))
		return refuse(task, "it names no customer");
	return vouched ? FAIL_NONE : check_signature(operation, out->customer_id, &parts);
}

static enum fail
conflict(struct task *task, const char *why, int64_t file)
{
	return task_fail(task, FAIL_CONFLICT, "usage_file_conflict", "File %lld %s.",
	                 (long long)file, why);
}

/* Compares the file with those of the instance that were imported before. */
static enum fail
check_chain(struct operation *operation, const struct file_input *input,
            const struct sha256 *digest, struct usage_import *out)
{
	struct parameters parameters =
	        PARAMETERS(input->customer_id, input->instance_id, input->chain,
	                   param_int(operation->task, input->file));
	const struct file_row *rows;
	size_t count;

	TRY(db_rows(operation->db, operation->task, &statements[SAME], parameters,
	            (void *)&rows, &count));
	if (count == 1) {
		out->imported_before =
		        rows->digest.length == SHA256_SIZE &&
		        memcmp(rows->digest.data, digest->bytes, SHA256_SIZE) == 0;
		return out->imported_before
		               ? FAIL_NONE
		               : conflict(operation->task,
		                          "was imported before with another content",
		                          input->file);
	}
	TRY(db_rows(operation->db, operation->task, &statements[BEFORE], parameters,
	            (void *)&rows, &count));
	out->new_chain = count == 1 && !rows->same_chain;
	if (count == 1 && rows->same_chain && rows->file == input->file - 1) {
		const char *previous = hex_encode(operation->task->arena, rows->digest.data,
		                                  rows->digest.length);

		return strcmp(previous, input->previous) == 0
		               ? FAIL_NONE
		               : conflict(operation->task, "doesn't continue the one before it",
		                          input->file);
	}
	out->missing_files_from = count == 1 && rows->same_chain ? rows->file + 1 : 1;
	out->missing_files_to = input->file - 1;
	if (out->missing_files_to < out->missing_files_from)
		out->missing_files_from = out->missing_files_to = 0;
	return FAIL_NONE;
}

/* NULL when version and all metrics are good; else why one is not, and the others are kept. A
 * file cannot be sent once more, so nothing good is refused with something bad. */
static const char *
read_rest(struct operation *operation, const struct report_input *input,
          struct usage_report *out)
{
	const char *why = input->version == NULL ? NULL : wire_check_version(input->version);
	struct task reading = task_attempt(operation->task);
	const struct field_error *bad;

	if (why == NULL)
		out->version = input->version;
	else
		(void)task_fail_field(&reading, "version", "%s", why);
	if (usage_metrics_read(&reading, &operation->billing->plans, &input->metrics,
	                       &out->metrics) == FAIL_NONE)
		return NULL;
	bad = reading.failure.fields;
	return arena_printf(reading.arena, "%s %s; the rest is stored", bad->field,
	                    bad->message);
}

/* NULL when the report can be stored, else why not. */
static const char *
read_report(struct operation *operation, const struct file_input *file,
            const struct json_view *object, struct report_input *input,
            struct usage_report *out)
{
	struct task reading = task_attempt(operation->task);
	const char *late;

	*input = (struct report_input){0};
	if (fields_from_json(&reading, report_fields, object, input) != FAIL_NONE)
		return reading.failure.fields != NULL ? reading.failure.fields->field
		                                      : "malformed";
	*out = (struct usage_report){.customer_id = file->customer_id,
	                             .instance_id = file->instance_id,
	                             .active_devices = input->active_devices,
	                             .total_devices = input->total_devices,
	                             .reported_at = input->reported_at,
	                             .report_id = input->report_id};
	late = usage_check_time(input->reported_at, operation->now_ms);
	if (late != NULL)
		return arena_printf(reading.arena, "reported_at %s", late);
	if (input->active_devices > input->total_devices)
		return "active_devices must not be more than total_devices";
	return NULL;
}

static enum fail
store(struct operation *operation, struct usage_item *items, size_t count,
      struct usage_import *out)
{
	for (size_t from = 0; from < count; from += WIRE_BATCH_MAX) {
		size_t batch = count - from < WIRE_BATCH_MAX ? count - from : WIRE_BATCH_MAX;

		TRY(usage_report_batch(operation, items + from, batch));
	}
	for (size_t i = 0; i < count; i++) {
		if (items[i].status == USAGE_TOO_MANY)
			return usage_fail_instances(operation);
		out->created += items[i].status == USAGE_CREATED;
		out->duplicates += items[i].status == USAGE_DUPLICATE;
	}
	return FAIL_NONE;
}

static enum fail
import_reports(struct operation *operation, const struct file_input *file,
               struct usage_import *out)
{
	struct arena *arena = operation->task->arena;
	size_t count = file->reports.count, valid = 0;
	struct json_view object;
	struct usage_item *items = arena_array(arena, count + 1, sizeof(*items));
	struct usage_refusal *refusals = arena_array(arena, count + 1, sizeof(*refusals));

	for (bool more = json_view_first(&file->reports.list, &object); more;
	     more = json_view_next(&object)) {
		struct report_input input;
		const char *why =
		        read_report(operation, file, &object, &input, &items[valid].report);

		if (why == NULL)
			why = read_rest(operation, &input, &items[valid++].report);
		if (why != NULL)
			refusals[out->refusal_count++] =
			        (struct usage_refusal){input.number, why};
	}
	out->refusals = refusals;
	return store(operation, items, valid, out);
}

static int
compare_gaps(const void *a, const void *b)
{
	const struct usage_gap *left = a, *right = b;

	return left->first < right->first ? -1 : left->first > right->first;
}

/* Reads the numbers of a report from its id, "agent:<sender>:<first>-<last>:<word>". False for
 * any other id: a customer may give its reports ids of its own. */
static bool
numbers_of(const char *report_id, size_t prefix, struct usage_gap *out)
{
	const char *cursor = report_id + prefix;

	return text_take_int(&cursor, '-', &out->first) &&
	       text_take_int(&cursor, ':', &out->last) && out->first >= 1 &&
	       out->first <= out->last && out->last <= WIRE_NUMBER_MAX;
}

/* Finds the numbers that no report of this instance has, imported or sent. */
static enum fail
find_gaps(struct operation *operation, const struct file_input *file, struct usage_import *out)
{
	struct arena *arena = operation->task->arena;
	struct sha256 sender = digest_sha256(file->instance_id, strlen(file->instance_id));
	const char *prefix =
	        arena_printf(arena, "agent:%s:", hex_encode(arena, sender.bytes, 6));
	const struct name_row *rows;
	struct usage_gap *known, *gaps;
	size_t count, used = 0;

	TRY(db_rows(operation->db, operation->task, &statements[NAMES],
	            PARAMETERS(file->customer_id, prefix), (void *)&rows, &count));
	known = arena_array(arena, count + 1, sizeof(*known));
	gaps = arena_array(arena, count + 1, sizeof(*gaps));
	for (size_t i = 0; i < count; i++)
		used += numbers_of(rows[i].report_id, strlen(prefix), &known[used]);
	qsort(known, used, sizeof(*known), compare_gaps);
	for (size_t i = 1; i < used; i++) {
		if (known[i].first > known[i - 1].last + 1)
			gaps[out->gap_count++] =
			        (struct usage_gap){known[i - 1].last + 1, known[i].first - 1};
		if (known[i].last < known[i - 1].last)
			known[i].last = known[i - 1].last;
	}
	out->gaps = gaps;
	return FAIL_NONE;
}

static enum fail
record(struct operation *operation, const struct file_input *input, const struct sha256 *digest,
       size_t reports, bool vouched)
{
	struct task *task = operation->task;
	struct bytes bytes = {digest->bytes, SHA256_SIZE};

	TRY(db_run(operation->db, task, &statements[RECORD],
	           PARAMETERS(input->customer_id, input->instance_id, input->chain,
	                      param_int(task, input->file), param_bytes(task, bytes),
	                      param_int(task, (int64_t)reports), param_now(operation)),
	           NULL));
	return audit_record(operation, "usage.file_imported", input->customer_id,
	                    input->instance_id, vouched ? "vouched for" : NULL);
}

static enum fail
import_in_transaction(struct operation *operation, const struct file_input *input,
                      const struct sha256 *digest, bool vouched, struct usage_import *out)
{
	int64_t found = 0;

	TRY(db_run(operation->db, operation->task, &statements[LOCK],
	           PARAMETERS(input->customer_id), &found));
	if (found == 0)
		return fail_customer_not_found(operation->task);
	TRY(check_chain(operation, input, digest, out));
	if (!out->imported_before) {
		TRY(import_reports(operation, input, out));
		TRY(record(operation, input, digest, out->created + out->duplicates, vouched));
	}
	return find_gaps(operation, input, out);
}

enum fail
usage_file_import(struct operation *operation, const char *text, bool vouched,
                  struct usage_import *out)
{
	const char *token = text + strspn(text, " \t\r\n");
	struct file_input input;
	struct sha256 digest;

	*out = (struct usage_import){0};
	token = arena_copy_bytes(operation->task->arena, token, strcspn(token, " \t\r\n"));
	digest = digest_sha256(token, strlen(token));
	TRY(read_file(operation, token, vouched, &input));
	out->customer_id = input.customer_id;
	out->instance_id = input.instance_id;
	out->file = input.file;
	TRY(db_begin(operation->db, operation->task));
	TRY(import_in_transaction(operation, &input, &digest, vouched, out));
	return db_commit(operation->db, operation->task);
}
