/* tally.c: adds up the numbers of a usage report. */
#include "agent-store/tally.h"

#include <string.h>

#include "base/text.h"

static enum fail
refuse(struct task *task, const char *name, const char *why)
{
	return task_fail(task, FAIL_INVALID, "invalid_usage", "%s %s.", name, why);
}

static struct tally_metric *
find_metric(struct tally *tally, const char *name)
{
	for (size_t i = 0; i < tally->metric_count; i++)
		if (strcmp(tally->metrics[i].name, name) == 0)
			return &tally->metrics[i];
	return NULL;
}

static int64_t
sum(int64_t a, int64_t b)
{
	return a > WIRE_NUMBER_MAX - b ? WIRE_NUMBER_MAX : a + b;
}

/* The metric of that name, made when there is none; NULL when there are too many. */
static struct tally_metric *
make_metric(struct tally *tally, const char *name)
{
	struct tally_metric *metric = find_metric(tally, name);

	if (metric != NULL || tally->metric_count == TALLY_METRICS_MAX)
		return metric;
	metric = &tally->metrics[tally->metric_count++];
	*metric = (struct tally_metric){.value = 0};
	memcpy(metric->name, name, strlen(name) + 1);
	return metric;
}

static enum fail
add_metric(struct task *task, struct tally *tally, const char *name,
           const struct json_view *value, bool level)
{
	struct tally_metric *metric;
	int64_t number;

	if (!text_is_made_of(name, "abcdefghijklmnopqrstuvwxyz0123456789_", 1, TALLY_NAME_MAX))
		return refuse(task, "A metric's name", "must be 1 to 64 of a-z, 0-9 and _");
	if (!json_view_number(value, &number) || number < 0 || number > WIRE_NUMBER_MAX)
		return refuse(task, name, "must be an integer from 0 to 2^53 - 1");
	metric = make_metric(tally, name);
	if (metric == NULL)
		return refuse(task, name, "is one metric too many (32 are the most)");
	metric->value = level ? number : sum(metric->value, number);
	metric->level = level;
	return FAIL_NONE;
}

static enum fail
add_metrics(struct task *task, struct tally *tally, const char *member,
            const struct json_view *object, bool level)
{
	struct json_view value;
	const char *name;

	if (!json_view_is_object(object))
		return refuse(task, member, "must be an object of integers");
	for (bool more = json_view_first_member(object, &name, &value); more;
	     more = json_view_next_member(&name, &value))
		TRY(add_metric(task, tally, name, &value, level));
	return FAIL_NONE;
}

static enum fail
read_devices(struct task *task, const char *name, const struct json_view *value, int64_t *out)
{
	if (!json_view_number(value, out) || *out < 0 || *out > WIRE_DEVICES_MAX)
		return refuse(task, name, "must be an integer from 0 to 2147483647");
	return FAIL_NONE;
}

const char *
tally_set_version(struct tally *tally, const char *version)
{
	const char *why = wire_check_version(version);

	if (why == NULL)
		memcpy(tally->version, version, strlen(version) + 1);
	return why;
}

static enum fail
read_version(struct task *task, struct tally *tally, const struct json_view *value)
{
	const char *version, *why;

	if (!json_view_text(value, &version))
		return refuse(task, "version", "must be a string");
	why = tally_set_version(tally, version);
	return why == NULL ? FAIL_NONE : refuse(task, "version", why);
}

static enum fail
add_member(struct task *task, struct tally *tally, const char *name,
           const struct json_view *value)
{
	if (strcmp(name, "active_devices") == 0)
		return read_devices(task, name, value, &tally->active_devices);
	if (strcmp(name, "total_devices") == 0)
		return read_devices(task, name, value, &tally->total_devices);
	if (strcmp(name, "counts") == 0 || strcmp(name, "metrics") == 0)
		return add_metrics(task, tally, name, value, false);
	if (strcmp(name, "levels") == 0)
		return add_metrics(task, tally, name, value, true);
	if (strcmp(name, "version") == 0)
		return read_version(task, tally, value);
	return refuse(task, name, "is unknown");
}

enum fail
tally_add(struct task *task, struct tally *tally, const struct json_view *object)
{
	struct json_view value;
	const char *name;

	for (bool more = json_view_first_member(object, &name, &value); more;
	     more = json_view_next_member(&name, &value))
		TRY(add_member(task, tally, name, &value));
	if (tally->active_devices > tally->total_devices)
		return refuse(task, "active_devices", "must not be above total_devices");
	return FAIL_NONE;
}

static int64_t
larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

void
tally_merge(struct tally *tally, const struct tally *later)
{
	tally->active_devices = larger(tally->active_devices, later->active_devices);
	tally->total_devices = larger(tally->total_devices, later->total_devices);
	for (size_t i = 0; i < later->metric_count; i++) {
		const struct tally_metric *from = &later->metrics[i];
		struct tally_metric *metric = make_metric(tally, from->name);

		if (metric == NULL)
			continue;
		metric->value = from->level ? from->value : sum(metric->value, from->value);
		metric->level = from->level;
	}
	if (*later->version != '\0')
		(void)tally_set_version(tally, later->version);
}

void
tally_set(struct tally *tally, const struct tally_metric *metric)
{
	struct tally_metric *to = make_metric(tally, metric->name);

	if (to != NULL)
		*to = *metric;
}

bool
tally_move(struct tally *from, const char *name, struct tally *to)
{
	struct tally_metric *metric = find_metric(from, name);

	if (metric == NULL)
		return false;
	tally_set(to, metric);
	*metric = from->metrics[--from->metric_count];
	return true;
}

void
tally_reset(struct tally *tally)
{
	size_t kept = 0;

	for (size_t i = 0; i < tally->metric_count; i++)
		if (tally->metrics[i].level)
			tally->metrics[kept++] = tally->metrics[i];
	tally->metric_count = kept;
}

static void
write_metrics(const struct tally *tally, struct json_out *json, const char *name, bool counts,
              bool levels)
{
	json_out_open(json, name, '{');
	for (size_t i = 0; i < tally->metric_count; i++)
		if (tally->metrics[i].level ? levels : counts)
			json_out_int(json, tally->metrics[i].name, tally->metrics[i].value);
	json_out_close(json, '}');
}

void
tally_write(const struct tally *tally, struct json_out *json)
{
	json_out_int(json, "active_devices", tally->active_devices);
	json_out_int(json, "total_devices", tally->total_devices);
	write_metrics(tally, json, "counts", true, false);
	write_metrics(tally, json, "levels", false, true);
}

void
tally_write_metrics(const struct tally *tally, struct json_out *json)
{
	write_metrics(tally, json, "metrics", true, true);
}
