/* plans_usage.c: reads the parts of plans.json about use. */
#include "plans/plans_usage.h"

#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "base/wire.h"
#include "json/view.h"

#define METRIC_NAME "abcdefghijklmnopqrstuvwxyz0123456789_"

/* Stripe's prices have no more digits (docs.stripe.com/api, Price, unit_amount_decimal). */
enum { WHOLE_DIGITS_MAX = 12, FRACTION_DIGITS_MAX = 12 };

static const struct member usage_members[] = {
        {"max_instances", offsetof(struct plan_usage, max_instances), MEMBER_LIMIT},
        {"instance_overage", offsetof(struct plan_usage, instance_overage), MEMBER_LIMIT},
        {"non_production", offsetof(struct plan_usage, non_production), MEMBER_LIMIT},
        {NULL, 0, MEMBER_INT},
};

enum { USAGE_MEMBERS = sizeof(usage_members) / sizeof(*usage_members) - 1 };

static const struct member meter_members[] = {
        {"amount_minor", offsetof(struct plan_meter, amount_minor), MEMBER_STRING},
        {"currency", offsetof(struct plan_meter, currency), MEMBER_STRING},
        {NULL, 0, MEMBER_INT},
};

size_t
plans_metric(const struct plans *plans, const char *name)
{
	size_t i = 0;

	while (i < plans->metric_count && strcmp(plans->metrics[i].name, name) != 0)
		i++;
	return i;
}

/* Reads {metric: value}. `take` stores a value, or returns its fault. */
static enum fail
read_by_metric(const struct reader *reader, const char *where, const struct json_view *usage,
               const char *name, const struct plans *plans, struct plan_usage *out,
               const char *(*take)(const struct json_view *value, size_t metric,
                                   struct plan_usage *out))
{
	const char *path = arena_printf(reader->task->arena, "%s.%s", where, name);
	struct json_view object, value;
	const char *key;

	if (!json_view_member(usage, name, &object))
		return FAIL_NONE;
	if (!json_view_is_object(&object))
		return plans_refuse(reader, path, "must be an object");
	for (bool more = json_view_first_member(&object, &key, &value); more;
	     more = json_view_next_member(&key, &value)) {
		size_t metric = plans_metric(plans, key);
		const char *fault = metric == plans->metric_count ? "is not one of the metrics"
		                                                  : take(&value, metric, out);

		if (fault != NULL)
			return plans_refuse(
			        reader, arena_printf(reader->task->arena, "%s.%s", path, key),
			        fault);
	}
	return FAIL_NONE;
}

static const char *
take_bound(const struct json_view *value, size_t metric, struct plan_usage *out)
{
	int64_t bound;

	if (!json_view_number(value, &bound) || bound < 0 || bound > WIRE_NUMBER_MAX)
		return "must be an integer from 0 to 2^53 - 1";
	out->metric_max[metric] = bound;
	return NULL;
}

/* Stripe takes names of 100 characters at most. */
static const char *
take_meter(const struct json_view *value, size_t metric, struct plan_usage *out)
{
	const char *name;

	if (!json_view_text(value, &name) || !text_is_made_of(name, METRIC_NAME, 1, 100))
		return "must be the event name of a meter";
	out->meters[metric] = name;
	return NULL;
}

/* Without any bound. */
static struct plan_usage
unbounded(void)
{
	struct plan_usage usage = {.max_instances = LICENSE_UNLIMITED,
	                           .non_production = PLAN_COUNTED_TOGETHER};

	for (size_t i = 0; i < PLAN_METRICS_MAX; i++)
		usage.metric_max[i] = LICENSE_UNLIMITED;
	return usage;
}

enum fail
plans_read_usage(const struct reader *reader, const char *where, const struct json_view *parent,
                 const struct plans *plans, struct plan_usage *out)
{
	static const char *const known[] = {"max_instances",  "instance_overage",
	                                    "non_production", "metrics",
	                                    "meters",         NULL};
	const char *path = arena_printf(reader->task->arena, "%s.usage", where);
	struct json_view usage;

	*out = unbounded();
	if (!json_view_member(parent, "usage", &usage))
		return FAIL_NONE;
	if (!json_view_is_object(&usage))
		return plans_refuse(reader, path, "must be an object");
	for (size_t i = 0; usage_members[i].name != NULL; i++)
		TRY(plans_read_member(reader, path, &usage, &usage_members[i], out));
	if (out->instance_overage == LICENSE_UNLIMITED)
		out->instance_overage = 0;
	TRY(read_by_metric(reader, path, &usage, "metrics", plans, out, take_bound));
	TRY(read_by_metric(reader, path, &usage, "meters", plans, out, take_meter));
	return plans_refuse_unknown(reader, path, &usage, known);
}

struct license_values
plans_usage_values(struct arena *arena, const struct plans *plans, enum value_kind kind,
                   const struct plan_usage *usage)
{
	struct license_value *items =
	        arena_array(arena, USAGE_MEMBERS + plans->metric_count, sizeof(*items));
	size_t count = 0;

	for (size_t i = 0; usage_members[i].name != NULL; i++) {
		struct license_value value = {
		        .name = usage_members[i].name,
		        .type = VALUE_INTEGER,
		        .number = *(const int64_t *)((const char *)usage +
		                                     usage_members[i].offset)};
		bool is_allowance =
		        usage_members[i].offset == offsetof(struct plan_usage, non_production);

		if (is_allowance == (kind == VALUE_FEATURE) &&
		    !(is_allowance && value.number == PLAN_COUNTED_TOGETHER))
			items[count++] = value;
	}
	for (size_t i = 0; kind == VALUE_LIMIT && i < plans->metric_count; i++)
		items[count++] = (struct license_value){
		        .name = arena_printf(arena, "metrics.%s", plans->metrics[i].name),
		        .type = VALUE_INTEGER,
		        .number = usage->metric_max[i]};
	return (struct license_values){items, count};
}

struct plan_usage
plans_usage_of(const struct plans *plans, const struct license_values *values)
{
	struct plan_usage usage = unbounded();

	for (size_t i = 0; i < values->count; i++) {
		const struct license_value *value = &values->items[i];
		size_t metric = text_starts_with(value->name, "metrics.")
		                        ? plans_metric(plans, value->name + strlen("metrics."))
		                        : plans->metric_count;

		if (metric < plans->metric_count)
			usage.metric_max[metric] = value->number;
		for (size_t m = 0; usage_members[m].name != NULL; m++)
			if (strcmp(usage_members[m].name, value->name) == 0)
				*(int64_t *)((char *)&usage + usage_members[m].offset) =
				        value->number;
	}
	return usage;
}

enum fail
plans_read_metrics(const struct reader *reader, const struct json_view *root, struct plans *out)
{
	struct json_view object, value;
	const char *name;

	if (!json_view_member(root, "metrics", &object))
		return FAIL_NONE;
	if (!json_view_is_object(&object) || json_view_count(&object) > PLAN_METRICS_MAX)
		return plans_refuse(reader, "metrics",
		                    "must be an object of at most 16 metrics");
	for (bool more = json_view_first_member(&object, &name, &value); more;
	     more = json_view_next_member(&name, &value)) {
		const char *kind = NULL;
		bool sum = json_view_text(&value, &kind) && strcmp(kind, "sum") == 0;
		const char *path = arena_printf(reader->task->arena, "metrics.%s", name);

		if (!text_is_made_of(name, METRIC_NAME, 1, 40))
			return plans_refuse(reader, path,
			                    "must have a name of lower-case letters");
		if (!sum && !text_equal(kind, "level"))
			return plans_refuse(reader, path, "must be \"sum\" or \"level\"");
		out->metrics[out->metric_count++] =
		        (struct plan_metric){name, sum ? PLAN_METRIC_SUM : PLAN_METRIC_LEVEL};
	}
	return FAIL_NONE;
}

/* A decimal in its one shortest form, so that Stripe's can be compared with it: "5", "0.05". */
static bool
is_decimal(const char *text)
{
	size_t whole = strspn(text, "0123456789"), fraction = 0;
	const char *rest = text + whole;

	if (*rest == '.') {
		fraction = strspn(rest + 1, "0123456789");
		if (fraction == 0 || rest[fraction] == '0')
			return false;
		rest += 1 + fraction;
	}
	return *rest == '\0' && whole > 0 && whole <= WHOLE_DIGITS_MAX &&
	       fraction <= FRACTION_DIGITS_MAX && (*text != '0' || whole == 1);
}

static bool
has_price_in(const struct plans *plans, const char *meter, const char *currency)
{
	return plans_meter(plans, meter, currency) != NULL;
}

/* The fault of the currencies of the meter's prices, or NULL. All items of a subscription have the
 * same currency. */
static const char *
currency_fault(const struct plans *plans, const char *meter)
{
	bool named = false;

	for (size_t i = 0; i < plans->count; i++) {
		const struct plan *plan = &plans->items[i];

		if (!plan_has_meter(plans, plan, meter))
			continue;
		named = true;
		for (size_t k = 0; k < plan->price_count; k++)
			if (!has_price_in(plans, meter, plan->prices[k].currency))
				return "has another currency than a plan that names it";
	}
	return named ? NULL : "is not a meter of any plan";
}

static enum fail
read_meter_price(const struct reader *reader, const char *where, const char *name,
                 const struct json_view *object, struct plans *out)
{
	static const char *const known[] = {"amount_minor", "currency", NULL};
	struct plan_meter meter = {.name = name, .amount_minor = "", .currency = ""};

	if (!json_view_is_object(object))
		return plans_refuse(reader, where, "must be an object");
	for (size_t i = 0; meter_members[i].name != NULL; i++)
		TRY(plans_read_member(reader, where, object, &meter_members[i], &meter));
	TRY(plans_refuse_unknown(reader, where, object, known));
	if (!is_decimal(meter.amount_minor))
		return plans_refuse(reader, where,
		                    "must have an amount_minor like \"5\" or \"0.05\"");
	if (has_price_in(out, name, meter.currency))
		return plans_refuse(reader, where, "has the currency of another price");
	if (out->meter_count == PLAN_METERS_MAX)
		return plans_refuse(reader, "meters", "must have at most 32 prices");
	out->meters[out->meter_count++] = meter;
	return FAIL_NONE;
}

/* A meter has a price, or a list of prices in several currencies. */
static enum fail
read_meter(const struct reader *reader, const char *name, const struct json_view *value,
           struct plans *out)
{
	struct arena *arena = reader->task->arena;
	const char *path = arena_printf(arena, "meters.%s", name), *fault;
	struct json_view price;
	size_t count = 0;

	if (!json_view_is_list(value))
		TRY(read_meter_price(reader, path, name, value, out));
	else if (json_view_count(value) == 0)
		return plans_refuse(reader, path, "must have a price");
	else
		for (bool more = json_view_first(value, &price); more;
		     more = json_view_next(&price))
			TRY(read_meter_price(reader,
			                     arena_printf(arena, "%s[%zu]", path, count++),
			                     name, &price, out));
	fault = currency_fault(out, name);
	return fault == NULL ? FAIL_NONE : plans_refuse(reader, path, fault);
}

enum fail
plans_read_meters(const struct reader *reader, const struct json_view *root, struct plans *out)
{
	struct json_view object, value;
	const char *name;

	if (!json_view_member(root, "meters", &object))
		return FAIL_NONE;
	if (!json_view_is_object(&object) || json_view_count(&object) > PLAN_METERS_MAX)
		return plans_refuse(reader, "meters", "must be an object of at most 32 meters");
	for (bool more = json_view_first_member(&object, &name, &value); more;
	     more = json_view_next_member(&name, &value))
		TRY(read_meter(reader, name, &value, out));
	return FAIL_NONE;
}

bool
plan_has_meter(const struct plans *plans, const struct plan *plan, const char *meter)
{
	for (size_t i = 0; i < plans->metric_count; i++)
		if (text_equal(plan->usage.meters[i], meter))
			return true;
	return false;
}

const struct plan_meter *
plans_meter(const struct plans *plans, const char *name, const char *currency)
{
	for (size_t i = 0; i < plans->meter_count; i++)
		if (strcmp(plans->meters[i].name, name) == 0 &&
		    (currency == NULL || strcmp(plans->meters[i].currency, currency) == 0))
			return &plans->meters[i];
	return NULL;
}
