/* facts.c: takes the values of placeholders out of events. */
#include "notices/facts.h"

#include <string.h>

#include "base/arena.h"
#include "base/money.h"
#include "json/out.h"
#include "json/view.h"

enum { VALUE_MAX = 300, DATE_LENGTH = 10 };

/* The members of an event's data that become a placeholder; the first one that is there counts. */
struct fact {
	enum notice_kind kind;
	enum notice_field field;
	const char *members[4];
	bool is_date; /* a time, of which the day is shown */
	bool is_end;  /* behind that time the notice is of no use */
};

/* clang-format off */
static const struct fact facts[] = {
	{NOTICE_TRIAL_ENDING, NOTICE_PLAN, {"plan"}, false, false},
	{NOTICE_TRIAL_ENDING, NOTICE_ENDS_ON, {"trial_ends_at"}, true, true},
	{NOTICE_TRIAL_ENDING, NOTICE_DAYS, {"days_left"}, false, false},
	{NOTICE_PAYMENT_FAILED, NOTICE_PLAN, {"plan"}, false, false},
	{NOTICE_LICENSE_EXPIRING, NOTICE_PLAN, {"plan"}, false, false},
	{NOTICE_LICENSE_EXPIRING, NOTICE_ENDS_ON, {"expires_at"}, true, true},
	{NOTICE_LICENSE_EXPIRING, NOTICE_DAYS, {"days_left"}, false, false},
	{NOTICE_USAGE_THRESHOLD, NOTICE_PLAN, {"plan"}, false, false},
	{NOTICE_USAGE_THRESHOLD, NOTICE_LIMIT, {"name"}, false, false},
	{NOTICE_USAGE_THRESHOLD, NOTICE_PERCENT, {"threshold"}, false, false},
	{NOTICE_USAGE_THRESHOLD, NOTICE_USED, {"in_use"}, false, false},
	{NOTICE_USAGE_THRESHOLD, NOTICE_ALLOWED, {"limit"}, false, false},
	{NOTICE_SUBSCRIPTION_CANCELED, NOTICE_PLAN, {"plan"}, false, false},
	{NOTICE_SUBSCRIPTION_CANCELED, NOTICE_ENDS_ON, {"ended_at", "ends_at", "updated_at"}, true, false},
	{NOTICE_CONTRACT_ENDING, NOTICE_PLAN, {"plan"}, false, false},
	{NOTICE_CONTRACT_ENDING, NOTICE_ENDS_ON, {"ends_at"}, true, true},
	{NOTICE_CONTRACT_ENDING, NOTICE_DAYS, {"days_left"}, false, false},
	{NOTICE_CONTRACT_ENDING, NOTICE_REFERENCE, {"reference"}, false, false},
	{NOTICE_STRIPE_PARKED, NOTICE_KIND, {"kind", "type"}, false, false},
	{NOTICE_STRIPE_PARKED, NOTICE_REFERENCE, {"id"}, false, false},
	{NOTICE_STRIPE_PARKED, NOTICE_REASON, {"error", "reason"}, false, false},
	{NOTICE_UNKNOWN_PRICE, NOTICE_REFERENCE, {"price_id"}, false, false},
	{NOTICE_UNKNOWN_PRICE, NOTICE_REASON, {"stripe_subscription_id"}, false, false},
	{NOTICE_ENDPOINT_DISABLED, NOTICE_REFERENCE, {"id", "endpoint_id"}, false, false},
	{NOTICE_ENDPOINT_DISABLED, NOTICE_URL, {"url"}, false, false},
	{NOTICE_ENDPOINT_DISABLED, NOTICE_REASON, {"disabled_reason", "reason"}, false, false},
};
/* clang-format on */

enum notice_kind
notice_kind_of_event(const struct event *event)
{
	enum notice_kind kind = 0;

	while (kind < NOTICE_KINDS && (notice_kinds[kind].event == NULL ||
	                               strcmp(notice_kinds[kind].event, event->type) != 0))
		kind++;
	return kind;
}

/* A string, or the text of a number; NULL for anything else. */
static const char *
member_text(struct arena *arena, const struct json_view *data, const char *name)
{
	struct json_view member;
	const char *out;
	double number;

	if (!json_view_member(data, name, &member))
		return NULL;
	if (!json_view_text(&member, &out)) {
		if (!json_view_double(&member, &number))
			return NULL;
		out = json_view_source(&member);
	}
	return strlen(out) > VALUE_MAX ? text_shortened(arena, out, VALUE_MAX) : out;
}

static const char *
fact_text(struct arena *arena, const struct json_view *data, const struct fact *fact)
{
	for (size_t i = 0; i < 4 && fact->members[i] != NULL; i++) {
		const char *out = member_text(arena, data, fact->members[i]);

		if (out != NULL)
			return out;
	}
	return NULL;
}

static void
add_fact(struct arena *arena, const struct fact *fact, const char *value, struct json_out *json,
         struct notice_facts *out)
{
	int64_t at_ms;

	if (fact->is_date) {
		if (!clock_parse(value, &at_ms))
			return;
		if (fact->is_end)
			out->until = INSTANT_MS(at_ms);
		value = arena_copy_bytes(arena, value, DATE_LENGTH);
	}
	json_out_string(json, notice_fields[fact->field].name, value);
}

/* The amount that is to be paid, as people write it, and the invoice's id, which is no placeholder: by it
 * the invoice is looked up when the notice is sent. */
static void
add_invoice(struct arena *arena, const struct json_view *data, struct json_out *json)
{
	const char *currency, *id;
	int64_t amount;

	if (json_view_string(data, "id", &id))
		json_out_string(json, "invoice_id", id);
	if (!json_view_int(data, "amount_due", &amount) ||
	    !json_view_string(data, "currency", &currency))
		return;
	json_out_string(
	        json, notice_fields[NOTICE_AMOUNT].name,
	        money_text(arena, arena_printf(arena, "%lld", (long long)amount), currency));
}

void
notice_facts_read(struct arena *arena, enum notice_kind kind, const struct event *event,
                  struct notice_facts *out)
{
	struct json_out json = json_out_new(arena, 512);
	struct json_view data;
	const char *value;

	*out = (struct notice_facts){.json = "{}"};
	if (!json_view_try(arena, event->data, strlen(event->data), &data))
		return;
	json_out_open(&json, NULL, '{');
	for (size_t i = 0; i < sizeof(facts) / sizeof(*facts); i++) {
		value = facts[i].kind == kind ? fact_text(arena, &data, &facts[i]) : NULL;
		if (value != NULL)
			add_fact(arena, &facts[i], value, &json, out);
	}
	if (kind == NOTICE_PAYMENT_FAILED)
		add_invoice(arena, &data, &json);
	json_out_close(&json, '}');
	out->json = json.text.data;
}

void
notice_facts_values(struct arena *arena, const char *json, struct notice_values *values)
{
	const char *name, *text;
	struct json_view object, value;

	if (!json_view_try(arena, json, strlen(json), &object))
		return;
	for (bool more = json_view_first_member(&object, &name, &value); more;
	     more = json_view_next_member(&name, &value)) {
		enum notice_field field = notice_field_of(name, strlen(name));

		if (field < NOTICE_FIELDS && json_view_text(&value, &text))
			values->of[field] = text;
	}
}
