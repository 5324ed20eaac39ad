/* trial_reminders.c: writes the events that announce the ends of trials. */
#include "billing/trial_reminders.h"

#include "base/text.h"
#include "billing/access.h"
#include "billing/render.h"
#include "events/reminders.h"

static const int64_t days_before[] = {7, 3, 1};

static const struct reminder_days stages = {days_before,
                                            sizeof(days_before) / sizeof(*days_before)};

static const char *
data_of(struct operation *operation, const struct subscription *subscription)
{
	struct json_out json = json_out_new(operation->task->arena, 1024);

	render_subscription(&json, NULL, subscription, operation->now_ms);
	return reminder_data(operation, json.text.data, subscription->trial_ends_at);
}

/* Only a trial that counts is told of: not one that has become a purchase or was canceled. */
static enum fail
look(struct operation *operation, const struct reminder *reminder, struct instant *next)
{
	const struct subscription *subscription;
	int64_t days, id;

	TRY(subscription_newest(operation, reminder->customer_id, &subscription));
	if (subscription == NULL || !text_parse_int(reminder->subject, &id) ||
	    id != subscription->subscription_id ||
	    !access_is_trial(subscription, operation->now_ms))
		return FAIL_NONE;
	TRY(reminder_take(
	        operation, reminder, &stages,
	        (struct reminder_end){subscription->created_at, subscription->trial_ends_at},
	        &days, next));
	if (days == REMINDER_NONE)
		return FAIL_NONE;
	return event_write(operation, EVENT_TRIAL_ENDING, reminder->customer_id,
	                   data_of(operation, subscription));
}

enum fail
trial_reminders_run(struct operation *operation, int64_t *done)
{
	return reminders_run(operation, "trial", look, done);
}
