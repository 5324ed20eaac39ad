/* worker.h: a process that answers requests, one at a time. */
#pragma once

#include "billingd/role.h"

/* The signals of a child. TERM: serve the requests that wait in the queue, then end. QUIT: end
 * after the current request; other workers serve the rest. */
#define WORKER_DRAIN SIGTERM
#define WORKER_RETIRE SIGQUIT

/* Runs until told to stop or WORKER_MAX_REQUESTS are served. The exit status; `child->started` is
 * set when the first request has come. All signals are blocked on entry. */
int worker_run(const struct child *child);
