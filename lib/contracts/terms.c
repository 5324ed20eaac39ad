/* terms.c: the terms of a contract: read, checked and written. */
#include "contracts/terms.h"

#include <string.h>

#include "base/arena.h"
#include "base/money.h"
#include "base/text.h"

/* Numbers as the database and Stripe take them. */
#define AMOUNT_MAX ((int64_t)999999999999)
/* The bytes of features, limits or overage as JSON, at most: versions are listed together. */
enum { VALUES_TEXT_MAX = 2000 };

/* Stripe bills by three years at most (docs.stripe.com/api/prices, recurring.interval_count). */
enum { STRIPE_YEARS_MAX = 3 };

enum { INTERVALS_MAX = 36, YEAR_DAYS = 366, YEARS_MAX = 20, OVERAGE_MAX = 10 };

struct price_input {
	int64_t amount_minor;
	const char *currency;
	const char *interval;
	int64_t interval_count;
};

static const char *
check_interval(const char *interval)
{
	return plan_is_interval(interval) ? NULL : "must be month or year";
}

static const char *
check_currency(const char *currency)
{
	return money_is_currency(currency) ? NULL : "must be an ISO 4217 code in lower case";
}

static const struct field price_fields[] = {
        FIELD(struct price_input, amount_minor, .required = true, .min = 0, .max = AMOUNT_MAX),
        FIELD(struct price_input, currency, .required = true, .check = check_currency),
        FIELD(struct price_input, interval, .required = true, .check = check_interval),
        FIELD(struct price_input, interval_count, .min = 1, .max = INTERVALS_MAX, .initial = 1),
        FIELD_END(struct price_input),
};

/* The first fault that `kind` brought is kept, as each function adds its own bad fields. */
static enum fail
worse(enum fail kind, enum fail other)
{
	return kind == FAIL_NONE ? other : kind;
}

static enum fail
apply_price(struct task *task, const struct any_object *input, struct contract_terms *terms)
{
	struct price_input price = {0};

	if (input->object.node == NULL)
		return FAIL_NONE;
	if (fields_from_json(task, price_fields, &input->object, &price) != FAIL_NONE)
		return FAIL_INVALID;
	terms->amount_minor = price.amount_minor;
	terms->currency = price.currency;
	terms->interval = price.interval;
	terms->interval_count = price.interval_count;
	return FAIL_NONE;
}

/* Reads one value; NULL, or why it is refused. */
static const char *
read_value(const struct plans *plans, enum value_kind kind, const char *name,
           const struct json_view *view, struct license_value *out)
{
	const struct plan_name *known = plans_name(plans, name);
	const char *fault;

	if (known == NULL || known->kind != kind)
		return "is no name of plans.json";
	fault = value_read(view, kind, name, out);
	if (fault != NULL)
		return fault;
	return out->type == known->type ? NULL : "must be of the type that plans.json has";
}

/* Ends the object that was read. It must not be too long. */
static enum fail
end_object(struct task *task, const char *member, struct json_out *json, enum fail worst,
           const char **out)
{
	json_out_close(json, '}');
	*out = json->text.data;
	return json->text.length <= VALUES_TEXT_MAX
	               ? worst
	               : task_fail_field(task, member, "must have at most %d bytes",
	                                 VALUES_TEXT_MAX);
}

/* Features or limits: an object of named values. */
static enum fail
apply_values(struct task *task, const struct plans *plans, enum value_kind kind,
             const struct any_object *input, const char **out)
{
	struct json_out json = json_out_new(task->arena, 256);
	struct json_view view;
	enum fail worst = FAIL_NONE;
	const char *name;

	if (input->object.node == NULL)
		return FAIL_NONE;
	json_out_open(&json, NULL, '{');
	for (bool more = json_view_first_member(&input->object, &name, &view); more;
	     more = json_view_next_member(&name, &view)) {
		struct license_value value;
		const char *fault = read_value(plans, kind, name, &view, &value);

		if (fault == NULL)
			value_write(&json, name, &value);
		else
			worst = task_fail_field(
			        task,
			        arena_printf(task->arena, "%s.%s", value_kind_name(kind), name),
			        "%s", fault);
	}
	return end_object(task, value_kind_name(kind), &json, worst, out);
}

/* Why use may not exceed the number of that name by so much; NULL: it may. */
static const char *
overage_fault(const struct plans *plans, const char *name, const struct json_view *view)
{
	const struct plan_name *known = plans_name(plans, name);
	double factor;

	if (known == NULL || (known->kind == VALUE_FEATURE && known->type != VALUE_INTEGER))
		return "is no number of plans.json";
	return json_view_double(view, &factor) && factor >= 1 && factor <= OVERAGE_MAX
	               ? NULL
	               : "must be between 1 and 10";
}

static enum fail
apply_overage(struct task *task, const struct plans *plans, const struct any_object *input,
              const char **out)
{
	struct json_out json = json_out_new(task->arena, 256);
	struct json_view view;
	enum fail worst = FAIL_NONE;
	const char *name;

	if (input->object.node == NULL)
		return FAIL_NONE;
	json_out_open(&json, NULL, '{');
	for (bool more = json_view_first_member(&input->object, &name, &view); more;
	     more = json_view_next_member(&name, &view)) {
		const char *fault = overage_fault(plans, name, &view);

		if (fault == NULL)
			json_out_raw(&json, name, json_view_source(&view));
		else
			worst = task_fail_field(task,
			                        arena_printf(task->arena, "overage.%s", name),
			                        "%s", fault);
	}
	return end_object(task, "overage", &json, worst, out);
}

static void
apply_plain(const struct contract_input *input, struct contract_terms *terms)
{
	if (input->plan != NULL)
		terms->plan = input->plan;
	if (input->starts_at.known)
		terms->starts_at = input->starts_at;
	if (input->ends_at.known)
		terms->ends_at = input->ends_at;
	if (input->days_until_due > 0)
		terms->days_until_due = input->days_until_due;
	if (input->reference.present)
		terms->reference = input->reference.value;
	if (input->note.present)
		terms->note = input->note.value;
}

enum fail
contract_terms_apply(struct task *task, const struct plans *plans,
                     const struct contract_input *input, struct contract_terms *terms)
{
	enum fail kind = FAIL_NONE;

	apply_plain(input, terms);
	if (input->plan != NULL && plans_find(plans, input->plan) == NULL)
		kind = task_fail_field(task, "plan", "is not a plan of plans.json");
	kind = worse(kind, apply_price(task, &input->price, terms));
	kind = worse(kind, apply_values(task, plans, VALUE_FEATURE, &input->features,
	                                &terms->features));
	kind = worse(kind,
	             apply_values(task, plans, VALUE_LIMIT, &input->limits, &terms->limits));
	return worse(kind, apply_overage(task, plans, &input->overage, &terms->overage));
}

static enum fail
check_times(struct task *task, const struct contract_terms *before,
            const struct contract_terms *terms, int64_t now_ms)
{
	const int64_t starts_ms = terms->starts_at.ms, ends_ms = terms->ends_at.ms;
	bool starts_anew = before == NULL || before->starts_at.ms != starts_ms;
	enum fail kind = FAIL_NONE;

	if (starts_anew && (starts_ms < now_ms - YEAR_DAYS * DAY_MS ||
	                    starts_ms > now_ms + YEAR_DAYS * DAY_MS))
		kind = task_fail_field(task, "starts_at", "must lie within a year of now");
	if (ends_ms <= starts_ms || ends_ms <= now_ms)
		kind = task_fail_field(task, "ends_at",
		                       "must be after the start and after now");
	else if (ends_ms > now_ms + (int64_t)YEARS_MAX * YEAR_DAYS * DAY_MS)
		kind = task_fail_field(task, "ends_at", "must lie within %d years", YEARS_MAX);
	return kind;
}

/* Terms that Stripe would refuse. */
static enum fail
check_billed(struct task *task, const struct contract_terms *terms)
{
	int64_t most = terms->currency == NULL ? 0 : money_charge_max(terms->currency);
	enum fail kind = FAIL_NONE;

	if (terms->currency == NULL)
		return task_fail_field(task, "price", "is needed by this billing");
	if (terms->amount_minor > most)
		kind = task_fail_field(task, "amount_minor",
		                       "must be at most %lld, as Stripe charges it",
		                       (long long)most);
	if (text_equal(terms->interval, "year") && terms->interval_count > STRIPE_YEARS_MAX)
		kind = worse(kind, task_fail_field(task, "interval_count",
		                                   "must be at most %d, as Stripe bills it",
		                                   STRIPE_YEARS_MAX));
	return kind;
}

enum fail
contract_terms_check(struct task *task, const char *billing,
                     const struct contract_terms *before, const struct contract_terms *terms,
                     int64_t now_ms)
{
	bool sends = strcmp(billing, "stripe_invoice") == 0;
	enum fail kind = check_times(task, before, terms, now_ms);

	if (sends)
		kind = worse(kind, check_billed(task, terms));
	if (!sends && terms->days_until_due > 0)
		kind = worse(kind, task_fail_field(task, "days_until_due",
		                                   "is of invoices that Stripe sends"));
	return kind;
}

static void
write_price(struct json_out *json, const struct contract_terms *terms)
{
	if (terms->currency == NULL) {
		json_out_null(json, "price");
		return;
	}
	json_out_open(json, "price", '{');
	json_out_int(json, "amount_minor", terms->amount_minor);
	json_out_string(json, "currency", terms->currency);
	json_out_string(json, "interval", terms->interval);
	json_out_int(json, "interval_count", terms->interval_count);
	json_out_close(json, '}');
}

void
contract_terms_write(struct json_out *json, const struct contract_terms *terms)
{
	json_out_string(json, "plan", terms->plan);
	json_out_time(json, "starts_at", terms->starts_at);
	json_out_time(json, "ends_at", terms->ends_at);
	write_price(json, terms);
	json_out_raw(json, "features", terms->features);
	json_out_raw(json, "limits", terms->limits);
	json_out_raw(json, "overage", terms->overage);
	if (terms->days_until_due > 0)
		json_out_int(json, "days_until_due", terms->days_until_due);
	else
		json_out_null(json, "days_until_due");
	json_out_string(json, "reference", terms->reference);
	json_out_string(json, "note", terms->note);
}

bool
contract_terms_recur_alike(const struct contract_terms *a, const struct contract_terms *b)
{
	return text_equal(a->interval, b->interval) && a->interval_count == b->interval_count;
}

bool
contract_terms_bill_alike(const struct contract_terms *a, const struct contract_terms *b)
{
	return a->amount_minor == b->amount_minor && text_equal(a->currency, b->currency) &&
	       contract_terms_recur_alike(a, b) && a->days_until_due == b->days_until_due &&
	       a->starts_at.ms == b->starts_at.ms && a->ends_at.ms == b->ends_at.ms;
}

bool
contract_terms_alike(const struct contract_terms *a, const struct contract_terms *b)
{
	return contract_terms_bill_alike(a, b) && text_equal(a->plan, b->plan) &&
	       text_equal(a->features, b->features) && text_equal(a->limits, b->limits) &&
	       text_equal(a->overage, b->overage) && text_equal(a->reference, b->reference) &&
	       text_equal(a->note, b->note);
}
