/* license_reminders.h: writes the events that announce the ends of licences. */
#pragma once

#include "operation/operation.h"

extern const struct statement_list license_reminder_statements;

/*
 * A job: writes license.expiring 30, 7 and 1 days before the customer's newest licence expires, and
 * license.expired when it has; likewise for the newest licence of each instance that has bound ones.
 * `*done` counts the licences that it looked at.
 *
 * With LICENSE_EXPIRY=paid_through a licence ends with the paid period, and the next one comes with the
 * next payment: while the subscription goes on, no event is written until the period is over.
 */
enum fail license_reminders_run(struct operation *operation, int64_t *done) MUST_CHECK;
