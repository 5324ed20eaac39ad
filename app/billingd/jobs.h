/*
 * jobs.h: the process that does what no request waits for.
 */
#ifndef BILLINGD_JOBS_H
#define BILLINGD_JOBS_H

#include "billingd/generation.h"

/* Runs each job when it is due until told to stop (TERM or QUIT). The exit status. All signals are
 * blocked on entry. Any number of these may run: jobs skip rows that others hold. */
int jobs_run(struct generation *generation, struct metrics *metrics);

#endif
