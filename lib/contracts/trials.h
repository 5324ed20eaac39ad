/* trials.h: a running trial ends when a contract starts. */
#pragma once

#include "contracts/contracts.h"

extern const struct statement_list contract_trial_statements;

/* Ends a running trial with the start of the contract; `*before` is when it would have ended, unknown
 * without one. */
enum fail contract_shorten_trial(struct operation *operation, const struct contract *contract,
                                 struct instant *before) MUST_CHECK;

/* Gives back what the contract took of the trial, up to its new start; unknown: all of it. */
enum fail contract_restore_trial(struct operation *operation, const struct contract *contract,
                                 struct instant starts_at) MUST_CHECK;
