/* inbox.h: processes one event at a time: fetches the object that it is about and stores our
 * copy in the transaction that marks the event as done. */
#pragma once

#include "operation/operation.h"

/* A job: processes one event that is due. It can be killed at any point. Fails when Stripe or
 * the database cannot be reached; another failure is recorded in the event's row. */
enum fail stripe_inbox_run(struct operation *operation, int64_t *done) MUST_CHECK;
