/* plans.c: reads plans.json, by tables of members. */
#include "plans/plans.h"

#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"
#include "plans/plans_reader.h"
#include "plans/plans_usage.h"
#include "plans/plans_values.h"
#include "json/view.h"

enum { FILE_LIMIT = 256 * 1024 };

static const struct member price_members[] = {
        {"amount_minor", offsetof(struct plan_price, amount_minor), MEMBER_INT},
        {"currency", offsetof(struct plan_price, currency), MEMBER_STRING},
        {"interval", offsetof(struct plan_price, interval), MEMBER_STRING},
        {NULL, 0, MEMBER_INT},
};

/* Reads an object, whose members are all in the table. */
static enum fail
read_members(const struct reader *reader, const char *path, const struct json_view *object,
             const struct member *members, void *out)
{
	const char *known[16] = {NULL};

	if (!json_view_is_object(object))
		return plans_refuse(reader, path, "must be an object");
	for (size_t i = 0; members[i].name != NULL; i++) {
		known[i] = members[i].name;
		TRY(plans_read_member(reader, path, object, &members[i], out));
	}
	return plans_refuse_unknown(reader, path, object, known);
}

static bool
is_plan_id(const char *id)
{
	return text_is_made_of(id, "abcdefghijklmnopqrstuvwxyz0123456789_-", 1, PLAN_ID_MAX) &&
	       *id >= 'a' && *id <= 'z';
}

static enum fail
read_price(const struct reader *reader, const char *where, const struct json_view *price,
           struct plan *out)
{
	struct plan_price *next = &out->prices[out->price_count++];

	TRY(read_members(reader, where, price, price_members, next));
	if (!plan_is_interval(next->interval))
		return plans_refuse(reader, reader->plan,
		                    "has a price whose interval is not month or year");
	for (const struct plan_price *other = out->prices; other < next; other++)
		if (text_equal(other->interval, next->interval) &&
		    text_equal(other->currency, next->currency))
			return plans_refuse(reader, where, "has the interval of another price");
	return FAIL_NONE;
}

static enum fail
read_price_list(const struct reader *reader, const char *where, const struct json_view *list,
                struct plan *out)
{
	struct json_view price;

	if (json_view_count(list) < 1 || json_view_count(list) > PLAN_PRICES_MAX)
		return plans_refuse(reader, where, "must have 1 to 8 prices");
	for (bool more = json_view_first(list, &price); more; more = json_view_next(&price))
		TRY(read_price(
		        reader,
		        arena_printf(reader->task->arena, "%s[%zu]", where, out->price_count),
		        &price, out));
	return FAIL_NONE;
}

/* "prices" is a list; "price" is the only one, or null. */
static enum fail
read_prices(const struct reader *reader, const char *where, const struct json_view *object,
            struct plan *out)
{
	struct arena *arena = reader->task->arena;
	bool has_one, has_list;
	struct json_view price, list;

	has_one = json_view_member(object, "price", &price);
	has_list = json_view_member(object, "prices", &list);
	if (has_one && has_list)
		return plans_refuse(reader, where, "has a price and prices; give one of them");
	if (has_list)
		return read_price_list(reader, arena_printf(arena, "%s.prices", where), &list,
		                       out);
	if (!has_one)
		return plans_refuse(reader, where, "needs a price, or null for one on request");
	return json_view_is_null(&price)
	               ? FAIL_NONE
	               : read_price(reader, arena_printf(arena, "%s.price", where), &price,
	                            out);
}

/* Reads a plan whose id is known. */
static enum fail
read_terms(const struct reader *reader, const struct json_view *object, struct plans *out)
{
	static const char *const known[] = {"plan",     "name",   "price", "prices",
	                                    "features", "limits", "usage", NULL};
	struct plan *plan = &out->items[out->count];
	const char *where = reader->plan;

	if (plans_find(out, where) != NULL)
		return plans_refuse(reader, where, "stands twice");
	if (!json_view_string(object, "name", &plan->name))
		return plans_refuse(reader, where, "needs a name");
	TRY(read_prices(reader, where, object, plan));
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
	static const char *const known[] = {"version", "metrics", "meters",
	                                    "trial",   "plans",   NULL};
	struct reader reader = {.task = task, .path = path};
	struct json_view list, item;
	struct json_refusal refusal;
	size_t length, count;
	char *text;

	*out = (struct plans){0};
	TRY(file_read(task, path, FILE_LIMIT, &text, &length));
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
	TRY(read_trial(&reader, &reader.root, out));
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

bool
plan_is_interval(const char *text)
{
	return strcmp(text, "month") == 0 || strcmp(text, "year") == 0;
}

const char *
plans_interval(const struct plans *plans, const struct plan *plan, size_t position)
{
	for (size_t i = 0; plan->price_count == 0 && i < plans->count; i++)
		if (position < plans->items[i].price_count)
			plan = &plans->items[i];
	return position < plan->price_count ? plan->prices[position].interval : NULL;
}
