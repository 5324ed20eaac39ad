/* trial_ends.h: tells ahead of the ends of trials. */
#pragma once

#include "operation/operation.h"

/* A job: writes trial.ending 7, 3 and 1 days before a trial ends; `*done` counts the trials that it looked
 * at. */
enum fail trial_run_ends(struct operation *operation, int64_t *done) MUST_CHECK;
