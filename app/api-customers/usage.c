/* usage.c: accepts usage reports, one or many at a time. */
#include <string.h>

#include "api/caller.h"
#include "api/handlers.h"
#include "api/render.h"
#include "api/render_usage.h"
#include "base/arena.h"
#include "billing/customer_ids.h"
#include "billing/customers.h"
#include "usage/batch.h"
#include "json/fields.h"
#include "json/view.h"

struct report_input {
	const char *customer_id;
	const char *instance_id;
	int64_t active_devices;
	int64_t total_devices;
	struct instant reported_at;
	const char *report_id;
	struct any_object metrics;
	const char *version;
};

const struct field usage_report_body[] = {
        FIELD(struct report_input, customer_id, .required = true, .min = 1, .max = 100),
        FIELD(struct report_input, instance_id, .nullable = true, .check = wire_check_id),
        FIELD(struct report_input, active_devices, .max = WIRE_DEVICES_MAX),
        FIELD(struct report_input, total_devices, .max = WIRE_DEVICES_MAX),
        FIELD(struct report_input, reported_at, .nullable = true),
        FIELD(struct report_input, report_id, .nullable = true, .check = wire_check_id),
        FIELD(struct report_input, metrics, .nullable = true),
        FIELD(struct report_input, version, .nullable = true, .check = wire_check_version),
        FIELD_END(struct report_input),
};

struct batch_input {
	struct object_list reports;
};

const struct field usage_batch_body[] = {
        FIELD(struct batch_input, reports, .required = true, .min = 1, .max = WIRE_BATCH_MAX),
        FIELD_END(struct batch_input),
};

/* Makes a report of the fields and checks what the table of fields cannot say. A failure goes
 * to `task`, which for an item of a batch is its own. */
static enum fail
read_report(const struct call *call, struct task *task, const struct report_input *input,
            struct usage_report *out)
{
	const struct plans *plans = &call->api->billing.plans;
	int64_t now_ms = call->operation.now_ms;
	const char *late;

	*out = (struct usage_report){
	        .customer_id = input->customer_id,
	        .instance_id = input->instance_id == NULL ? "default" : input->instance_id,
	        .active_devices = input->active_devices,
	        .total_devices = input->total_devices,
	        .reported_at =
	                input->reported_at.known ? input->reported_at : INSTANT_MS(now_ms),
	        .report_id = input->report_id,
	        .version = input->version,
	};
	late = usage_check_time(out->reported_at, now_ms);
	if (late != NULL)
		(void)task_fail_field(task, "reported_at", "%s", late);
	if (input->active_devices > input->total_devices)
		(void)task_fail_field(task, "active_devices",
		                      "must not be more than total_devices");
	return usage_metrics_read(task, plans, &input->metrics, &out->metrics);
}

/* Often called: one statement reads the key, stores the report and reads the limits. */
enum fail
post_usage_report(struct call *call)
{
	struct operation *operation = &call->operation;
	struct json_out json = answer_begin(call, 1024);
	struct usage_report report;
	struct usage_view view = {0};
	bool created;

	TRY(read_report(call, operation->task, call->body, &report));
	TRY(usage_report(operation, &call->caller.digest, &report, &view));
	TRY(caller_admit(call, &view.key));
	TRY(caller_check_body(call));
	TRY(usage_outcome(operation, &view, &report, &created));
	if (!view.levels.counted)
		TRY(usage_fail_behind(operation,
		                      usage_levels_read(operation, report.customer_id,
		                                        &view.levels, &view.subscription,
		                                        &view.terms)));
	metrics_add(call->api->metrics,
	            created ? METRIC_USAGE_REPORTS : METRIC_USAGE_DUPLICATES, 1);
	json_out_string(&json, "message",
	                created ? "The report is stored." : "The report was stored before.");
	render_report(&json, "report", &report);
	json_out_open(&json, "limits", '{');
	render_levels(&json, operation, &view.levels, &view.subscription, &view.terms);
	json_out_close(&json, '}');
	return answer_end(call, created ? 201 : 200, &json);
}

/* An item of a batch: a valid report, or a failure in `task`. */
struct batch_item {
	struct task task;
	bool valid;
	struct usage_report report;
	enum usage_status status;
};

static enum fail
read_item(const struct call *call, const struct json_view *object, struct batch_item *item)
{
	struct report_input input = {0};

	item->task = (struct task){.arena = call->request->task.arena};
	TRY(fields_from_json(&item->task, usage_report_body, object, &input));
	input.customer_id = customer_id_or_text(item->task.arena, input.customer_id);
	if (!wire_is_customer_id(input.customer_id) ||
	    (call->caller.kind == CALLER_CUSTOMER &&
	     strcmp(input.customer_id, call->caller.key.customer_id) != 0))
		return fail_customer_not_found(&item->task);
	return read_report(call, &item->task, &input, &item->report);
}

/* Each invalid item names its first bad field, and all of them together FIELD_ERRORS_MAX further
 * ones. */
static void
limit_fields(struct task *item, size_t *left)
{
	task_limit_fields(item, *left + 1);
	*left -= item->failure.field_count > 1 ? item->failure.field_count - 1 : 0;
}

static void
take_outcome(const struct call *call, struct batch_item *item, const struct usage_item *stored)
{
	struct operation alone = call->operation;

	item->report = stored->report;
	item->status = stored->status;
	item->valid = item->status == USAGE_CREATED || item->status == USAGE_DUPLICATE;
	alone.task = &item->task;
	if (item->status == USAGE_NO_CUSTOMER)
		(void)fail_customer_not_found(&item->task);
	if (item->status == USAGE_TOO_MANY)
		(void)usage_fail_instances(&alone);
}

/* Whether the bound of new instances leaves nothing of the batch: a sender of one instance then tries
 * again tomorrow. */
static bool
bound_refuses_all(const struct usage_item *items, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (items[i].status != USAGE_TOO_MANY)
			return false;
	return count > 0;
}

/* Reads all items, stores the valid ones together, and records the result of each. */
static enum fail
store_batch(struct call *call, const struct object_list *list, struct batch_item *items)
{
	struct arena *arena = call->request->task.arena;
	struct usage_item *valid = arena_array(arena, list->count, sizeof(*valid));
	struct batch_item *next = items;
	size_t count = 0, fields_left = FIELD_ERRORS_MAX;
	struct json_view object;

	for (bool more = json_view_first(&list->list, &object); more;
	     more = json_view_next(&object), next++) {
		next->valid = read_item(call, &object, next) == FAIL_NONE;
		if (next->valid)
			valid[count++].report = next->report;
		limit_fields(&next->task, &fields_left);
	}
	TRY(usage_report_batch(&call->operation, valid, count));
	if (bound_refuses_all(valid, count))
		return usage_fail_instances(&call->operation);
	for (size_t i = 0, k = 0; i < list->count; i++)
		if (items[i].valid)
			take_outcome(call, &items[i], &valid[k++]);
	return FAIL_NONE;
}

static void
render_item(struct json_out *json, size_t index, const struct batch_item *item)
{
	const struct failure *failure = &item->task.failure;

	json_out_open(json, NULL, '{');
	json_out_int(json, "index", (int64_t)index);
	json_out_string(json, "status",
	                !item->valid                    ? "invalid"
	                : item->status == USAGE_CREATED ? "created"
	                                                : "duplicate");
	if (item->valid) {
		render_report(json, "report", &item->report);
	} else {
		json_out_string(json, "error", failure->message);
		json_out_string(json, "code", failure->code);
		response_details(json, failure->fields);
	}
	json_out_close(json, '}');
}

/* The limits, if all valid reports are of one customer. The reports are stored by now: without an open
 * transaction the answer lacks limits that cannot be read. */
static enum fail
render_batch_levels(struct call *call, struct json_out *json, const struct batch_item *items,
                    size_t count)
{
	struct operation *operation = &call->operation;
	struct subscription subscription = {0};
	struct entitlement_terms terms = {0};
	struct usage_levels levels = {0};
	const char *customer_id = NULL;
	enum fail kind;

	for (size_t i = 0; i < count; i++) {
		if (!items[i].valid)
			continue;
		if (customer_id != NULL &&
		    strcmp(customer_id, items[i].report.customer_id) != 0)
			return FAIL_NONE;
		customer_id = items[i].report.customer_id;
	}
	if (customer_id == NULL)
		return FAIL_NONE;
	kind = usage_levels_read(operation, customer_id, &levels, &subscription, &terms);
	if (kind == FAIL_UNAVAILABLE && db_depth(operation->db) == 0) {
		task_clear(operation->task);
		return FAIL_NONE;
	}
	TRY(kind);
	json_out_open(json, "limits", '{');
	render_levels(json, operation, &levels, &subscription, &terms);
	json_out_close(json, '}');
	return FAIL_NONE;
}

enum fail
post_usage_reports(struct call *call)
{
	const struct batch_input *input = call->body;
	size_t count = input->reports.count, created = 0, invalid = 0;
	struct arena *arena = call->operation.task->arena;
	struct batch_item *items = arena_array(arena, count, sizeof(*items));
	struct json_out json = answer_begin(call, 256 + count * 400);

	TRY(store_batch(call, &input->reports, items));
	json_out_open(&json, "results", '[');
	for (size_t i = 0; i < count; i++) {
		created += items[i].valid && items[i].status == USAGE_CREATED;
		invalid += !items[i].valid;
		render_item(&json, i, &items[i]);
	}
	json_out_close(&json, ']');
	json_out_int(&json, "created", (int64_t)created);
	json_out_int(&json, "duplicates", (int64_t)(count - created - invalid));
	json_out_int(&json, "invalid", (int64_t)invalid);
	TRY(render_batch_levels(call, &json, items, count));
	metrics_add(call->api->metrics, METRIC_USAGE_REPORTS, (int64_t)created);
	metrics_add(call->api->metrics, METRIC_USAGE_DUPLICATES,
	            (int64_t)(count - created - invalid));
	return answer_end(call, 200, &json);
}
