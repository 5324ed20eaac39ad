/* license_reminders.c: writes the events that announce the ends of licences. */
#include "issuing/license_reminders.h"

#include <string.h>

#include "billing/access.h"
#include "events/reminders.h"
#include "issuing/license_records.h"

/* Time in which Stripe charges the next period and tells so. */
#define RENEWAL_MS (2 * HOUR_MS)

static const int64_t days_before[] = {30, 7, 1, 0};

static const struct reminder_days stages = {days_before,
                                            sizeof(days_before) / sizeof(*days_before)};

enum { NEWEST, NEWEST_BOUND };

#define COLUMNS_OF_LICENSE                                                                     \
	ROWS_WITH(struct issued_license, jti, kid, plan, reason, instance_id, issued_at,       \
	          expires_at, revoked_at, revoke_reason)
#define SELECT_LICENSE                                                                         \
	"SELECT l.jti, l.kid, l.plan, l.reason, l.instance_id, l.issued_at, l.expires_at, "    \
	"l.revoked_at, l.revoke_reason FROM licenses l JOIN customers c "                      \
	"ON c.customer_id = l.customer_id AND c.deleted_at IS NULL "                           \
	"WHERE l.customer_id = $1 "
#define NEWEST_FIRST "ORDER BY l.license_id DESC LIMIT 1"

static const struct statement statements[] = {
        [NEWEST] = {"license_end_newest", COLUMNS_OF_LICENSE,
                    .sql = SELECT_LICENSE "AND l.instance_id IS NULL " NEWEST_FIRST},
        [NEWEST_BOUND] = {"license_end_newest_bound", COLUMNS_OF_LICENSE,
                          .sql = SELECT_LICENSE
                          "AND l.jti IN (SELECT jti FROM license_requests "
                          "  WHERE customer_id = $1 AND instance_id = $2) " NEWEST_FIRST},
};

const struct statement_list license_reminder_statements = STATEMENT_LIST(statements);

static enum fail
find_newest(struct operation *operation, const struct reminder *reminder,
            struct issued_license *out, bool *found)
{
	bool bound = *reminder->subject != '\0';

	return db_row(operation->db, operation->task,
	              &statements[bound ? NEWEST_BOUND : NEWEST],
	              bound ? PARAMETERS(reminder->customer_id, reminder->subject)
	                    : PARAMETERS(reminder->customer_id),
	              out, found);
}

/* Whether the next payment brings the next licence; `*after` is when it is to be there. */
static enum fail
is_renewed(struct operation *operation, const struct reminder *reminder,
           const struct issued_license *license, bool *renewed, struct instant *after)
{
	const struct subscription *subscription;
	struct instant end, period;

	*renewed = false;
	if (!operation->billing->policy.paid_through || *reminder->subject != '\0')
		return FAIL_NONE;
	TRY(subscription_newest(operation, reminder->customer_id, &subscription));
	if (subscription == NULL || subscription_is_contract(subscription) ||
	    strcmp(access_status(subscription, operation->now_ms), "active") != 0)
		return FAIL_NONE;
	period = subscription->current_period_ends_at;
	end = access_scheduled_end(subscription, operation->now_ms);
	*after = INSTANT_MS(period.ms + RENEWAL_MS);
	*renewed = period.known && operation->now_ms < after->ms &&
	           operation->now_ms < license->expires_at.ms &&
	           (!end.known || end.ms > license->expires_at.ms);
	return FAIL_NONE;
}

static const char *
data_of(struct operation *operation, const struct issued_license *license, int64_t days)
{
	struct json_out json = json_out_new(operation->task->arena, 512);

	render_license_row(&json, license);
	return days == 0 ? json.text.data
	                 : reminder_data(operation, json.text.data, license->expires_at);
}

/* A revoked licence does not expire. The next one that is stored makes the row anew. */
static enum fail
look(struct operation *operation, const struct reminder *reminder, struct instant *next)
{
	struct issued_license license = {0};
	int64_t days;
	bool found, renewed;

	TRY(find_newest(operation, reminder, &license, &found));
	if (!found || license.revoked_at.known)
		return FAIL_NONE;
	TRY(is_renewed(operation, reminder, &license, &renewed, next));
	if (renewed) {
		if (next->ms > license.expires_at.ms)
			*next = license.expires_at;
		return FAIL_NONE;
	}
	TRY(reminder_take(operation, reminder, &stages,
	                  (struct reminder_end){license.issued_at, license.expires_at}, &days,
	                  next));
	if (days == REMINDER_NONE)
		return FAIL_NONE;
	return event_write(operation,
	                   days == 0 ? EVENT_LICENSE_EXPIRED : EVENT_LICENSE_EXPIRING,
	                   reminder->customer_id, data_of(operation, &license, days));
}

enum fail
license_reminders_run(struct operation *operation, int64_t *done)
{
	return reminders_run(operation, "license", look, done);
}
