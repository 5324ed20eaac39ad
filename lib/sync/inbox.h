/*
 * inbox.h: deals with one event at a time: what it is about is fetched and stored in the
 * transaction that marks it done.
 */
#ifndef SYNC_INBOX_H
#define SYNC_INBOX_H

#include "billing/operation.h"

/*
 * Deals with one event that is due; `*done` is 1 if there was one. Can be stopped or killed at any
 * point. A failure when Stripe or the database cannot be reached; an event's own failure is
 * written to its row.
 */
enum fail stripe_inbox_run(struct operation *operation, int64_t *done) MUST_CHECK;

#endif
