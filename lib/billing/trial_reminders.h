/* trial_reminders.h: writes the events that announce the ends of trials. */
#pragma once

#include "operation/operation.h"

/* A job: writes trial.ending 7, 3 and 1 days before a trial ends; `*done` counts the trials that it looked
 * at. */
enum fail trial_reminders_run(struct operation *operation, int64_t *done) MUST_CHECK;
