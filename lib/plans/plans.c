/* plans.c: reads plans.json, by tables of members. */
#include "plans/plans.h"

#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"
#include "plans/plans_addons.h"
#include "plans/plans_digest.h"
#include "plans/plans_prices.h"
#include "plans/plans_quantity.h"
#include "plans/plans_reader.h"
#include "plans/plans_usage.h"
#include "plans/plans_values.h"
#include "json/view.h"

enum { FILE_LIMIT = 256 * 1024 };

static bool
is_plan_id(const char *id)
{
	return text_is_made_of(id, "abcdefghijklmnopqrstuvwxyz0123456789_-", 1, PLAN_ID_MAX) &&
	       *id >= 'a' && *id <= 'z';
}

/* Reads a plan whose id is known. */
static enum fail
read_terms(const struct reader *reader, const struct json_view *object, struct plans *out)
{
	static const char *const known[] = {"plan",     "name",  "price",  "prices",
	                                    "quantity", "per",   "metric", "features",
	                                    "limits",   "usage", NULL};
	struct plan *plan = &out->items[out->count];
	const char *where = reader->plan;

	if (plans_find(out, where) != NULL)
		return plans_refuse(reader, where, "stands twice");
	if (!json_view_string(object, "name", &plan->name))
		return plans_refuse(reader, where, "needs a name");
	TRY(plans_read_prices(reader, where, object, plan->prices, &plan->price_count));
	TRY(plans_read_quantity(reader, where, object, out, &plan->quantity));
	TRY(plans_read_values(reader, where, object, VALUE_FEATURE, out, &plan->features));
	TRY(plans_read_values(reader, where, object, VALUE_LIMIT, out, &plan->limits));
	TRY(plans_read_usage(reader, where, object, out, &plan->usage));
	TRY(plans_refuse_unknown(reader, where, object, known));
	plan->id = where;
	out->count++;
	return FAIL_NONE;
}

static enum fail
read_plan(const struct reader *reader, const struct json_view *object, struct plans *out)
{
	const char *item = arena_printf(reader->task->arena, "plans[%zu]", out->count);
	struct reader within = *reader;
	const char *id;

	if (!json_view_is_object(object))
		return plans_refuse(reader, item, "must be an object");
	if (!json_view_string(object, "plan", &id) || !is_plan_id(id))
		return plans_refuse(
		        reader, item,
		        "needs a \"plan\" of at most 32 lower-case letters, digits, "
		        "_ and -, a letter first");
	within.item = item;
	within.plan = id;
	return read_terms(&within, object, out);
}

static enum fail
read_trial(const struct reader *reader, const struct json_view *root, struct plans *out)
{
	static const char *const known[] = {"days",   "plan",  "features",
	                                    "limits", "usage", NULL};
	struct json_view trial;

	if (!json_view_object(root, "trial", &trial))
		return plans_refuse(reader, "trial", "must be an object");
	if (!json_view_int(&trial, "days", &out->trial_days) || out->trial_days < 1 ||
	    out->trial_days > 3650)
		return plans_refuse(reader, "trial.days", "must be a number from 1 to 3650");
	if (!json_view_string(&trial, "plan", &out->trial_plan) ||
	    plans_find(out, out->trial_plan) == NULL)
		return plans_refuse(reader, "trial.plan", "must name one of the plans");
	out->trial_plan = plans_find(out, out->trial_plan)->id;
	TRY(plans_read_values(reader, "trial", &trial, VALUE_FEATURE, out,
	                      &out->trial_features));
	TRY(plans_read_values(reader, "trial", &trial, VALUE_LIMIT, out, &out->trial_limits));
	TRY(plans_read_usage(reader, "trial", &trial, out, &out->trial_usage));
	return plans_refuse_unknown(reader, "trial", &trial, known);
}

enum fail
plans_load(struct task *task, const char *path, struct plans *out)
{
	static const char *const known[] = {"version", "metrics", "meters", "trial",
	                                    "plans",   "addons",  NULL};
	struct reader reader = {.task = task, .path = path};
	struct json_view list, item;
	struct json_refusal refusal;
	size_t length, count;
	char *text;

	*out = (struct plans){0};
	TRY(file_read(task, path, FILE_LIMIT, &text, &length));
	out->digest = plans_digest(task->arena, text, length);
	if (!json_view_read(task->arena, text, length, &reader.root, &refusal))
		return task_fail(task, FAIL_INVALID, "plans_invalid", "%s: line %zu: %s", path,
		                 plans_line(text, refusal.offset), refusal.why);
	if (!json_view_is_object(&reader.root))
		return plans_refuse(&reader, "it", "must be an object");
	if (!json_view_int(&reader.root, "version", &out->version) || out->version < 1)
		return plans_refuse(&reader, "version", "must be an integer of 1 or more");
	TRY(plans_read_metrics(&reader, &reader.root, out));
	if (!json_view_list(&reader.root, "plans", &list))
		return plans_refuse(&reader, "plans", "must be a list");
	count = json_view_count(&list);
	if (count < 1 || count > PLANS_MAX)
		return plans_refuse(&reader, "plans", "must have 1 to 32 items");
	for (bool more = json_view_first(&list, &item); more; more = json_view_next(&item))
		TRY(read_plan(&reader, &item, out));
	TRY(plans_read_addons(&reader, &reader.root, out));
	TRY(read_trial(&reader, &reader.root, out));
	TRY(plans_complete_quantities(&reader, out));
	TRY(plans_complete_values(&reader, out));
	TRY(plans_read_meters(&reader, &reader.root, out));
	return plans_refuse_unknown(&reader, PLANS_ROOT, &reader.root, known);
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
plans_rank(const struct plans *plans, const char *id)
{
	const struct plan *plan = plans_find(plans, id);

	return plan == NULL ? 0 : (size_t)(plan - plans->items);
}
