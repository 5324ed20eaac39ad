/* values_read.c: reads the features and limits that an operator gives a customer, and stored ones. */
#include "entitlements/entitlements.h"

#include <string.h>

#include "base/arena.h"
#include "json/out.h"
#include "json/view.h"

const struct plan_name *
entitlement_name(const struct plans *plans, enum value_kind kind, const char *name)
{
	const struct plan_name *known = plans_name(plans, name);

	return known != NULL && known->kind == kind ? known : NULL;
}

/* Why the value may not stand under the name; NULL when it may. */
static const char *
value_fault(const struct plans *plans, enum value_kind kind, const char *name,
            const struct json_view *view, struct license_value *out)
{
	static const char *const types[] = {
	        [VALUE_BOOLEAN] = "must be true or false",
	        [VALUE_INTEGER] = "must be an integer from 0 to 2^53 - 1",
	        [VALUE_TEXT] = "must be a text of 1 to 200 bytes on one line",
	};
	const struct plan_name *known = entitlement_name(plans, kind, name);
	const char *why;

	if (known == NULL)
		return kind == VALUE_FEATURE ? "is not a feature of plans.json"
		                             : "is not a limit of plans.json";
	why = value_read(view, kind, known->name, out);
	if (kind == VALUE_LIMIT || (why == NULL && out->type == known->type))
		return why;
	return types[known->type];
}

const char *
entitlement_values_read(struct task *task, const struct plans *plans, enum value_kind kind,
                        const struct json_view *object)
{
	struct json_out json = json_out_new(task->arena, 256);
	struct json_view view;
	const char *name;

	json_out_open(&json, NULL, '{');
	for (bool more = json_view_first_member(object, &name, &view); more;
	     more = json_view_next_member(&name, &view)) {
		struct license_value value;
		const char *fault = value_fault(plans, kind, name, &view, &value);

		if (fault == NULL)
			value_write(&json, name, &value);
		else
			(void)task_fail_field(
			        task,
			        arena_printf(task->arena, "%s.%s", value_kind_name(kind), name),
			        "%s", fault);
	}
	json_out_close(&json, '}');
	return json.text.data;
}

/* The member as a text; NULL when it is missing. */
static const char *
member_source(const struct json_view *object, const char *name)
{
	struct json_view member;

	return json_view_object(object, name, &member) ? json_view_source(&member) : NULL;
}

/* The object that a text is; none for NULL. */
static struct json_view
stored_object(struct arena *arena, const char *text)
{
	struct json_view object = {0};

	(void)(text != NULL && json_view_read_foreign(arena, text, strlen(text), &object));
	return object;
}

void
entitlement_terms_unpack(struct arena *arena, struct entitlement_terms *terms)
{
	struct json_view contract = stored_object(arena, terms->contract);
	struct json_view overrides = stored_object(arena, terms->overrides);

	*terms = (struct entitlement_terms){
	        .contract = terms->contract,
	        .overrides = terms->overrides,
	        .contract_features = member_source(&contract, "features"),
	        .contract_limits = member_source(&contract, "limits"),
	        .contract_overage = member_source(&contract, "overage"),
	        .override_features = member_source(&overrides, "features"),
	        .override_limits = member_source(&overrides, "limits"),
	};
	(void)json_view_string(&contract, "reference", &terms->contract_reference);
	terms->override_ends_at.known =
	        json_view_int(&overrides, "ends_at", &terms->override_ends_at.ms);
}
