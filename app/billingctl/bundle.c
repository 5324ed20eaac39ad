/* bundle.c: billingctl license export, license issue --request and usage import, for instances without a
 * network. */

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/wire.h"
#include "billingctl/output.h"
#include "instances/requests.h"
#include "issuing/licenses.h"
#include "issuing/revocation_list.h"
#include "usage/files.h"
#include "json/out.h"

enum { EXIT_INCOMPLETE = 3 };

const struct ctl_exit usage_import_exits[] = {
        {EXIT_INCOMPLETE,
         "taken in, but files or reports are missing, or reports were refused"},
        {0, NULL},
};

/* The file that billing-agent import reads. */
static const char *
write_bundle(struct ctl *ctl, const char *license, const char *revocations)
{
	struct json_out json = json_out_new(ctl->task.arena, 8192);

	json_out_open(&json, NULL, '{');
	json_out_string(&json, "format", WIRE_BUNDLE_FORMAT);
	json_out_string(&json, "license", license);
	json_out_string(&json, "keys", license_keys_jwks(ctl->task.arena, &ctl->billing.keys));
	json_out_string(&json, "revocations", revocations);
	json_out_close(&json, '}');
	return json.text.data;
}

/* Says that the licence ends soon although more is sold: a machine without a network asks for no other one. */
static enum fail
note_payment(struct ctl *ctl, const char *customer_id, const struct issued_license *license)
{
	struct license_view view = {0};
	char end[CLOCK_TEXT_SIZE];

	TRY(license_view_read(&ctl->operation, NULL, customer_id, &view));
	if (!license_awaits_payment(&ctl->operation, &view))
		return FAIL_NONE;
	clock_format(license->expires_at.ms, end);
	fprintf(stderr,
	        "billingctl: the payment of the period is on its way: this licence ends at %s; "
	        "issue another one when it is paid\n",
	        end);
	return FAIL_NONE;
}

static enum fail export(struct ctl *ctl, const char *customer_id,
                        const struct issued_license *license) {
	struct stored_list list; int64_t lists;

	/* The local jobs may not have signed the last change yet. */
	TRY(revocation_list_run(&ctl->operation, &lists));
	TRY(revocation_list_current(&ctl->operation, &list));
	TRY(output_write(ctl, ctl_option(ctl, "--out"),
	                 write_bundle(ctl, license->token, list.token)));
	return note_payment(ctl, customer_id, license);
}

enum fail
run_license_export(struct ctl *ctl)
{
	struct subscription subscription;
	struct issued_license license;
	const char *customer_id;

	TRY(ctl_customer_id(ctl, &customer_id));
	TRY(license_current(&ctl->operation, customer_id, &license, &subscription));
	return export(ctl, customer_id, &license);
}

/* The customer of the argument, or of the request; both must not differ. */
static enum fail
find_customer(struct ctl *ctl, const struct license_request *request, const char **out)
{
	*out = request->customer_id;
	if (ctl->argument != NULL)
		TRY(ctl_customer_id(ctl, out));
	if (*out == NULL)
		return ctl_usage(ctl, "the request names no customer: give CUSTOMER");
	if (request->customer_id != NULL && strcmp(request->customer_id, *out) != 0)
		return task_fail(&ctl->task, FAIL_INVALID, "request_invalid",
		                 "The request is another customer's, %s.",
		                 request->customer_id);
	return FAIL_NONE;
}

enum fail
ctl_answer_request(struct ctl *ctl, const char *path)
{
	struct license_request request;
	struct issued_license license;
	const char *customer_id;
	const char *text = NULL;

	TRY(ctl_read_text(ctl, path, WIRE_REQUEST_MAX, &text));
	TRY(license_request_read(&ctl->task, text, &request));
	TRY(find_customer(ctl, &request, &customer_id));
	TRY(license_request_answer(&ctl->operation, customer_id, &request, &license));
	return export(ctl, customer_id, &license);
}

static const char *
range(struct ctl *ctl, int64_t first, int64_t last)
{
	return first == last ? arena_printf(ctl->task.arena, "%lld", (long long)first)
	                     : arena_printf(ctl->task.arena, "%lld-%lld", (long long)first,
	                                    (long long)last);
}

static const char *
gap_text(struct ctl *ctl, const struct usage_import *import)
{
	struct text text = text_new(ctl->task.arena, 64);

	for (size_t i = 0; i < import->gap_count; i++)
		text_printf(&text, "%s%s", i == 0 ? "" : ", ",
		            range(ctl, import->gaps[i].first, import->gaps[i].last));
	return import->gap_count == 0 ? NULL : text.data;
}

static enum fail
print_import(struct ctl *ctl, const struct usage_import *import)
{
	struct output output = output_new(ctl);
	bool files_missing = import->missing_files_from != 0;

	output_text(&output, "customer_id", import->customer_id);
	output_text(&output, "instance_id", import->instance_id);
	output_int(&output, "file", import->file);
	output_bool(&output, "imported_before", import->imported_before);
	output_bool(&output, "new_chain", import->new_chain);
	output_int(&output, "created", (int64_t)import->created);
	output_int(&output, "duplicates", (int64_t)import->duplicates);
	output_int(&output, "refused", (int64_t)import->refusal_count);
	output_text(&output, "missing_files",
	            files_missing
	                    ? range(ctl, import->missing_files_from, import->missing_files_to)
	                    : NULL);
	output_text(&output, "missing_reports", gap_text(ctl, import));
	output_list(&output, "refusals");
	output_none(&output, NULL);
	for (size_t i = 0; i < import->refusal_count; i++) {
		output_row(&output);
		output_int(&output, "number", import->refusals[i].number);
		output_text(&output, "why", import->refusals[i].why);
	}
	output_list_end(&output);
	if (files_missing || import->gap_count > 0 || import->refusal_count > 0)
		ctl->status = EXIT_INCOMPLETE;
	return output_print(&output);
}

enum fail
run_usage_import(struct ctl *ctl)
{
	struct usage_import import;
	const char *text = NULL;

	TRY(ctl_read_text(ctl, ctl->argument, USAGE_FILE_MAX, &text));
	TRY(usage_file_import(&ctl->operation, text, ctl_option(ctl, "--vouch") != NULL,
	                      &import));
	return print_import(ctl, &import);
}
