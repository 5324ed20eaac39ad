/*
 * call_records.h: what the operator sees of the calls, and how long they are kept.
 */
#ifndef OUTBOX_CALL_RECORDS_H
#define OUTBOX_CALL_RECORDS_H

#include "outbox/calls.h"

extern const struct statement_list stripe_call_record_statements;

/* How many wait, and how many an operator must look at. */
struct stripe_call_figures {
	int64_t pending;
	int64_t parked;
};
enum fail stripe_call_figures(struct operation *operation,
                              struct stripe_call_figures *out) MUST_CHECK;

/* Parked ones, oldest first, without their keys and parameters. */
enum fail stripe_call_list_parked(struct operation *operation, int64_t limit,
                                  const struct stripe_call **out, size_t *count) MUST_CHECK;

/* Makes a parked call pending again, with a new key, as Stripe keeps what it answered to the old
 * one; 0: all parked ones. Of several creations of a customer only one. `*count`. */
enum fail stripe_call_retry(struct operation *operation, int64_t call_id,
                            int64_t *count) MUST_CHECK;

/* A job: deletes finished calls older than 90 days. */
enum fail stripe_call_prune(struct operation *operation, int64_t *pruned) MUST_CHECK;

#endif
