/*
 * plans.c: reads plans.json, by tables of members.
 */
#include "billing/plans.h"

#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/json_in.h"
#include "base/json_place.h"
#include "base/text.h"

enum { FILE_LIMIT = 256 * 1024 };

/* What messages call the outermost object. */
#define ROOT "plans.json"

#define METRIC_NAME "abcdefghijklmnopqrstuvwxyz0123456789_"

enum member_type { MEMBER_INT, MEMBER_BOOL, MEMBER_LIMIT, MEMBER_STRING };

/* A member of an object and where it goes. MEMBER_LIMIT: may be absent, then unlimited. */
struct member {
	const char *name;
	size_t offset;
	enum member_type type;
};

static const struct member feature_members[] = {
        {"maxDevices", offsetof(struct license_features, max_devices), MEMBER_INT},
        {"dataRetentionDays", offsetof(struct license_features, data_retention_days),
         MEMBER_INT},
        {"canExportData", offsetof(struct license_features, can_export_data), MEMBER_BOOL},
        {"hasAdvancedAlerts", offsetof(struct license_features, has_advanced_alerts),
         MEMBER_BOOL},
        {"hasApiAccess", offsetof(struct license_features, has_api_access), MEMBER_BOOL},
        {"hasMqttAccess", offsetof(struct license_features, has_mqtt_access), MEMBER_BOOL},
        {"hasCustomBranding", offsetof(struct license_features, has_custom_branding),
         MEMBER_BOOL},
        {NULL, 0, MEMBER_INT},
};

static const struct member limit_members[] = {
        {"maxUsers", offsetof(struct license_limits, max_users), MEMBER_LIMIT},
        {"maxAlertRules", offsetof(struct license_limits, max_alert_rules), MEMBER_LIMIT},
        {"maxDashboards", offsetof(struct license_limits, max_dashboards), MEMBER_LIMIT},
        {NULL, 0, MEMBER_INT},
};

static const struct member usage_members[] = {
        {"max_instances", offsetof(struct plan_usage, max_instances), MEMBER_LIMIT},
        {"instance_overage", offsetof(struct plan_usage, instance_overage), MEMBER_LIMIT},
        {NULL, 0, MEMBER_INT},
};

static const struct member price_members[] = {
        {"amount_minor", offsetof(struct plan, amount_minor), MEMBER_INT},
        {"currency", offsetof(struct plan, currency), MEMBER_STRING},
        {"interval", offsetof(struct plan, interval), MEMBER_STRING},
        {NULL, 0, MEMBER_INT},
};

/* The file being read: where a message says the fault is. `plan` is the id of the plan that stands
 * at the place `item` ("plans[0]"), for messages are about ids. */
struct reader {
	struct task *task;
	const char *path;
	const char *text;
	size_t length;
	const char *plan;
	const char *item;
};

/* The line on which `where`, or what should hold it, stands. */
static size_t
line_of(const struct reader *reader, const char *where)
{
	const char *place = where;

	if (reader->plan != NULL)
		place = arena_printf(reader->task->arena, "%s%s", reader->item,
		                     where + strlen(reader->plan));
	else if (text_starts_with(where, ROOT "."))
		place = where + strlen(ROOT ".");
	return json_place_line(reader->text,
	                       json_place_find(reader->text, reader->length, place));
}

static enum fail
invalid(const struct reader *reader, const char *where, const char *why)
{
	return task_fail(reader->task, FAIL_INVALID, "plans_invalid", "%s: line %zu: %s %s",
	                 reader->path, line_of(reader, where), where, why);
}

static enum fail
refuse_unknown(const struct reader *reader, const char *where, struct json_object *object,
               const char *const *known)
{
	json_object_object_foreach(object, name, unused)
	{
		const char *const *k = known;

		(void)unused;
		while (*k != NULL && strcmp(*k, name) != 0)
			k++;
		if (*k == NULL)
			return invalid(reader,
			               arena_printf(reader->task->arena, "%s.%s", where, name),
			               "is not a known member");
	}
	return FAIL_NONE;
}

static enum fail
read_member(const struct reader *reader, const char *where, struct json_object *object,
            const struct member *member, void *out)
{
	const char *path = arena_printf(reader->task->arena, "%s.%s", where, member->name);
	void *place = (char *)out + member->offset;
	const char *string;
	int64_t number;

	switch (member->type) {
	case MEMBER_BOOL:
		return json_in_bool(object, member->name, place)
		               ? FAIL_NONE
		               : invalid(reader, path, "must be true or false");
	case MEMBER_STRING:
		if (!json_in_string(object, member->name, &string) || *string == '\0')
			return invalid(reader, path, "must be a string");
		*(const char **)place = arena_copy(reader->task->arena, string);
		return FAIL_NONE;
	case MEMBER_LIMIT:
		if (!json_object_object_get_ex(object, member->name, NULL)) {
			*(int64_t *)place = LICENSE_UNLIMITED;
			return FAIL_NONE;
		}
		break;
	case MEMBER_INT:
		break;
	}
	if (!json_in_int(object, member->name, &number) || number < 0)
		return invalid(reader, path, "must be an integer of 0 or more");
	*(int64_t *)place = number;
	return FAIL_NONE;
}

/* An object whose members are all in the table. */
static enum fail
read_object(const struct reader *reader, const char *where, struct json_object *parent,
            const char *name, const struct member *members, void *out)
{
	const char *path = arena_printf(reader->task->arena, "%s.%s", where, name);
	const char *known[16] = {NULL};
	struct json_object *object;

	if (!json_in_object(parent, name, &object))
		return invalid(reader, path, "must be an object");
	for (size_t i = 0; members[i].name != NULL; i++) {
		known[i] = members[i].name;
		TRY(read_member(reader, path, object, &members[i], out));
	}
	return refuse_unknown(reader, path, object, known);
}

static bool
is_plan_id(const char *id)
{
	return text_is_made_of(id, "abcdefghijklmnopqrstuvwxyz0123456789_-", 1, 40);
}

static enum fail
read_price(const struct reader *reader, const char *where, struct json_object *object,
           struct plan *out)
{
	struct json_object *price = NULL;

	if (!json_object_object_get_ex(object, "price", &price))
		return invalid(reader, where, "needs a price, or null for one on request");
	if (price == NULL)
		return FAIL_NONE;
	out->has_price = true;
	TRY(read_object(reader, where, object, "price", price_members, out));
	if (strcmp(out->interval, "month") != 0 && strcmp(out->interval, "year") != 0)
		return invalid(reader, where,
		               "has a price whose interval is not month or year");
	return FAIL_NONE;
}

/* {name: value} whose names are metrics; `take` stores each value and says what is wrong with it. */
static enum fail
read_by_metric(const struct reader *reader, const char *where, struct json_object *usage,
               const char *name, const struct plans *plans, struct plan_usage *out,
               const char *(*take)(const struct reader *reader, struct json_object *value,
                                   size_t metric, struct plan_usage *out))
{
	const char *path = arena_printf(reader->task->arena, "%s.%s", where, name);
	struct json_object *object;

	if (!json_object_object_get_ex(usage, name, NULL))
		return FAIL_NONE;
	if (!json_in_object(usage, name, &object))
		return invalid(reader, path, "must be an object");
	json_object_object_foreach(object, key, value)
	{
		size_t metric = plans_metric(plans, key);
		const char *fault = metric == plans->metric_count
		                            ? "is not one of the metrics"
		                            : take(reader, value, metric, out);

		if (fault != NULL)
			return invalid(reader,
			               arena_printf(reader->task->arena, "%s.%s", path, key),
			               fault);
	}
	return FAIL_NONE;
}

static const char *
take_bound(const struct reader *reader, struct json_object *value, size_t metric,
           struct plan_usage *out)
{
	(void)reader;
	if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0)
		return "must be an integer of 0 or more";
	out->metric_max[metric] = json_object_get_int64(value);
	return NULL;
}

/* Stripe takes names of 100 characters at most. */
static const char *
take_meter(const struct reader *reader, struct json_object *value, size_t metric,
           struct plan_usage *out)
{
	if (!json_object_is_type(value, json_type_string) ||
	    !text_is_made_of(json_object_get_string(value), METRIC_NAME, 1, 100))
		return "must be the event name of a meter";
	out->meters[metric] = arena_copy(reader->task->arena, json_object_get_string(value));
	return NULL;
}

/* The member "usage" of a plan or of the trial; without it nothing is bounded. */
static enum fail
read_usage(const struct reader *reader, const char *where, struct json_object *parent,
           const struct plans *plans, struct plan_usage *out)
{
	static const char *const known[] = {"max_instances", "instance_overage", "metrics",
	                                    "meters", NULL};
	const char *path = arena_printf(reader->task->arena, "%s.usage", where);
	struct json_object *usage;

	*out = (struct plan_usage){.max_instances = LICENSE_UNLIMITED};
	for (size_t i = 0; i < PLAN_METRICS_MAX; i++)
		out->metric_max[i] = LICENSE_UNLIMITED;
	if (!json_object_object_get_ex(parent, "usage", NULL))
		return FAIL_NONE;
	if (!json_in_object(parent, "usage", &usage))
		return invalid(reader, path, "must be an object");
	for (size_t i = 0; usage_members[i].name != NULL; i++)
		TRY(read_member(reader, path, usage, &usage_members[i], out));
	if (out->instance_overage == LICENSE_UNLIMITED)
		out->instance_overage = 0;
	TRY(read_by_metric(reader, path, usage, "metrics", plans, out, take_bound));
	TRY(read_by_metric(reader, path, usage, "meters", plans, out, take_meter));
	return refuse_unknown(reader, path, usage, known);
}

/* The table of metrics, {name: kind}; without it there are none beyond devices. */
static enum fail
read_metrics(const struct reader *reader, struct json_object *root, struct plans *out)
{
	struct json_object *object;

	if (!json_object_object_get_ex(root, "metrics", NULL))
		return FAIL_NONE;
	if (!json_in_object(root, "metrics", &object) ||
	    json_object_object_length(object) > PLAN_METRICS_MAX)
		return invalid(reader, "metrics", "must be an object of at most 16 metrics");
	json_object_object_foreach(object, name, value)
	{
		const char *kind = json_object_is_type(value, json_type_string)
		                           ? json_object_get_string(value)
		                           : "";
		bool sum = strcmp(kind, "sum") == 0;
		const char *path = arena_printf(reader->task->arena, "metrics.%s", name);

		if (!text_is_made_of(name, METRIC_NAME, 1, 40))
			return invalid(reader, path, "must have a name of lower-case letters");
		if (!sum && strcmp(kind, "level") != 0)
			return invalid(reader, path, "must be \"sum\" or \"level\"");
		out->metrics[out->metric_count++] =
		        (struct plan_metric){arena_copy(reader->task->arena, name),
		                             sum ? PLAN_METRIC_SUM : PLAN_METRIC_LEVEL};
	}
	return FAIL_NONE;
}

/* What is said of the plan once its id is known. */
static enum fail
read_terms(const struct reader *reader, struct json_object *object, struct plans *out)
{
	static const char *const known[] = {"plan",   "name",  "price", "features",
	                                    "limits", "usage", NULL};
	struct plan *plan = &out->items[out->count];
	const char *where = reader->plan;

	if (plans_find(out, where) != NULL)
		return invalid(reader, where, "stands twice");
	if (!json_in_string(object, "name", &plan->name))
		return invalid(reader, where, "needs a name");
	plan->name = arena_copy(reader->task->arena, plan->name);
	TRY(read_price(reader, where, object, plan));
	TRY(read_object(reader, where, object, "features", feature_members, &plan->features));
	TRY(read_object(reader, where, object, "limits", limit_members, &plan->limits));
	TRY(read_usage(reader, where, object, out, &plan->usage));
	TRY(refuse_unknown(reader, where, object, known));
	plan->id = where;
	out->count++;
	return FAIL_NONE;
}

static enum fail
read_plan(const struct reader *reader, struct json_object *object, struct plans *out)
{
	const char *item = arena_printf(reader->task->arena, "plans[%zu]", out->count);
	struct reader within = *reader;
	const char *id;

	if (!json_object_is_type(object, json_type_object))
		return invalid(reader, item, "must be an object");
	if (!json_in_string(object, "plan", &id) || !is_plan_id(id))
		return invalid(reader, item, "needs a \"plan\" of lower-case letters");
	within.item = item;
	within.plan = arena_copy(reader->task->arena, id);
	return read_terms(&within, object, out);
}

static enum fail
read_trial(const struct reader *reader, struct json_object *root, struct plans *out)
{
	static const char *const known[] = {"days",   "plan",  "features",
	                                    "limits", "usage", NULL};
	struct json_object *trial;

	if (!json_in_object(root, "trial", &trial))
		return invalid(reader, "trial", "must be an object");
	if (!json_in_int(trial, "days", &out->trial_days) || out->trial_days < 1 ||
	    out->trial_days > 3650)
		return invalid(reader, "trial.days", "must be a number from 1 to 3650");
	if (!json_in_string(trial, "plan", &out->trial_plan) ||
	    plans_find(out, out->trial_plan) == NULL)
		return invalid(reader, "trial.plan", "must name one of the plans");
	out->trial_plan = plans_find(out, out->trial_plan)->id;
	TRY(read_object(reader, "trial", trial, "features", feature_members,
	                &out->trial_features));
	TRY(read_object(reader, "trial", trial, "limits", limit_members, &out->trial_limits));
	TRY(read_usage(reader, "trial", trial, out, &out->trial_usage));
	return refuse_unknown(reader, "trial", trial, known);
}

/* The gate's offset as a line, for the person who edits the file. */
static enum fail
refuse_syntax(const struct reader *reader)
{
	size_t offset = 0;
	const char *why =
	        json_in_gate(reader->task->arena, reader->text, reader->length, &offset);

	if (why == NULL)
		return FAIL_NONE;
	return task_fail(reader->task, FAIL_INVALID, "plans_invalid", "%s: line %zu: %s",
	                 reader->path, json_place_line(reader->text, offset), why);
}

enum fail
plans_load(struct task *task, const char *path, struct plans *out)
{
	static const char *const known[] = {"version", "metrics", "trial", "plans", NULL};
	struct reader reader = {.task = task, .path = path};
	struct json_object *root, *list = NULL;
	size_t length, count;
	char *text;

	*out = (struct plans){0};
	TRY(file_read(task, path, FILE_LIMIT, &text, &length));
	reader.text = text;
	reader.length = length;
	TRY(refuse_syntax(&reader));
	TRY(json_in_parse(task, text, length, &root));
	if (!json_object_is_type(root, json_type_object))
		return invalid(&reader, "it", "must be an object");
	if (!json_in_int(root, "version", &out->version) || out->version < 1)
		return invalid(&reader, "version", "must be an integer of 1 or more");
	TRY(read_metrics(&reader, root, out));
	if (!json_object_object_get_ex(root, "plans", &list) ||
	    !json_object_is_type(list, json_type_array))
		return invalid(&reader, "plans", "must be a list");
	count = json_object_array_length(list);
	if (count < 1 || count > PLANS_MAX)
		return invalid(&reader, "plans", "must have 1 to 32 items");
	for (size_t i = 0; i < count; i++)
		TRY(read_plan(&reader, json_object_array_get_idx(list, i), out));
	TRY(read_trial(&reader, root, out));
	return refuse_unknown(&reader, ROOT, root, known);
}

const struct plan *
plans_find(const struct plans *plans, const char *id)
{
	for (size_t i = 0; i < plans->count; i++)
		if (strcmp(plans->items[i].id, id) == 0)
			return &plans->items[i];
	return NULL;
}

size_t
plans_metric(const struct plans *plans, const char *name)
{
	size_t i = 0;

	while (i < plans->metric_count && strcmp(plans->metrics[i].name, name) != 0)
		i++;
	return i;
}
