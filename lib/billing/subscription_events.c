/* subscription_events.c: the events of a change of the subscription that counts. */
#include "billing/subscription_events.h"

#include "base/text.h"
#include "billing/render.h"

/* Stored statuses, as far as events tell them apart. */
enum state { NONE, TRIAL, ACTIVE, PAST_DUE, PAUSED, STATES };

static enum state
state_of(const struct subscription *row)
{
	if (row == NULL)
		return NONE;
	if (text_equal(row->status, "trialing"))
		return TRIAL;
	if (text_equal(row->status, "past_due") || text_equal(row->status, "unpaid"))
		return PAST_DUE;
	if (text_equal(row->status, "paused"))
		return PAUSED;
	return text_equal(row->status, "active") ? ACTIVE : NONE;
}

static const enum event_type no_event = EVENT_TYPES;

/* The event of a step from one state to another. */
static const enum event_type steps[STATES][STATES] = {
        [NONE] = {EVENT_TYPES, EVENT_TRIAL_STARTED, EVENT_SUBSCRIPTION_ACTIVATED,
                  EVENT_SUBSCRIPTION_PAST_DUE, EVENT_SUBSCRIPTION_PAUSED},
        [TRIAL] = {EVENT_SUBSCRIPTION_CANCELED, EVENT_TYPES, EVENT_SUBSCRIPTION_ACTIVATED,
                   EVENT_SUBSCRIPTION_PAST_DUE, EVENT_SUBSCRIPTION_PAUSED},
        [ACTIVE] = {EVENT_SUBSCRIPTION_CANCELED, EVENT_TYPES, EVENT_TYPES,
                    EVENT_SUBSCRIPTION_PAST_DUE, EVENT_SUBSCRIPTION_PAUSED},
        [PAST_DUE] = {EVENT_SUBSCRIPTION_CANCELED, EVENT_TYPES, EVENT_SUBSCRIPTION_RECOVERED,
                      EVENT_TYPES, EVENT_SUBSCRIPTION_PAUSED},
        [PAUSED] = {EVENT_SUBSCRIPTION_CANCELED, EVENT_SUBSCRIPTION_RESUMED,
                    EVENT_SUBSCRIPTION_RESUMED, EVENT_SUBSCRIPTION_PAST_DUE, EVENT_TYPES},
};

static bool
ends(const struct subscription *row)
{
	return row->cancel_at_period_end || row->cancel_at.known;
}

static bool
buys_the_same(const struct subscription *a, const struct subscription *b)
{
	return text_equal(a->plan, b->plan) && a->quantity == b->quantity &&
	       text_equal(a->addons == NULL ? "{}" : a->addons,
	                  b->addons == NULL ? "{}" : b->addons);
}

static enum event_type
pause_step(const struct subscription *before, const struct subscription *after)
{
	if (before->pause_behavior == NULL && after->pause_behavior != NULL)
		return EVENT_SUBSCRIPTION_PAUSED;
	return before->pause_behavior != NULL && after->pause_behavior == NULL
	               ? EVENT_SUBSCRIPTION_RESUMED
	               : no_event;
}

/* Another subscription that counts now brings no end of its own into the story. */
static enum event_type
end_step(const struct subscription *before, const struct subscription *after)
{
	if (before->subscription_id != after->subscription_id)
		return ends(after) && !ends(before) ? EVENT_SUBSCRIPTION_CANCEL_SCHEDULED
		                                    : no_event;
	if (ends(after) == ends(before))
		return no_event;
	return ends(after) ? EVENT_SUBSCRIPTION_CANCEL_SCHEDULED : EVENT_SUBSCRIPTION_RESUMED;
}

static void
add(enum event_type type, enum event_type *out, size_t *count)
{
	for (size_t i = 0; i < *count; i++)
		if (out[i] == type)
			return;
	if (type != no_event && *count < SUBSCRIPTION_EVENTS_MAX)
		out[(*count)++] = type;
}

size_t
subscription_events(const struct subscription *before, const struct subscription *after,
                    enum event_type out[SUBSCRIPTION_EVENTS_MAX])
{
	enum state was = state_of(before), is = state_of(after);
	bool converted = was == TRIAL && is == ACTIVE;
	size_t count = 0;

	if (after == NULL || subscription_is_contract(after))
		return 0;
	if (converted)
		add(EVENT_TRIAL_CONVERTED, out, &count);
	add(steps[was][is], out, &count);
	if (was == NONE || is == NONE)
		return count;
	if (!converted && !buys_the_same(before, after))
		add(EVENT_SUBSCRIPTION_PLAN_CHANGED, out, &count);
	add(pause_step(before, after), out, &count);
	add(end_step(before, after), out, &count);
	return count;
}

enum fail
subscription_write_events(struct operation *operation, const char *customer_id,
                          const struct subscription *before, const struct subscription *after)
{
	enum event_type types[SUBSCRIPTION_EVENTS_MAX];
	size_t count = subscription_events(before, after, types);

	for (size_t i = 0; i < count; i++)
		TRY(event_write(operation, types[i], customer_id,
		                subscription_text(operation, after)));
	return FAIL_NONE;
}
