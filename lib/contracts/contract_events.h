/* contract_events.h: the events of contracts. */
#pragma once

#include "contracts/contracts.h"
#include "events/log.h"

/* Writes an event of the contract, as customers see it. */
enum fail contract_event(struct operation *operation, enum event_type type,
                         const struct contract *contract) MUST_CHECK;

/* Writes contract.ended, once for each contract. */
enum fail contract_event_ended(struct operation *operation,
                               const struct contract *contract) MUST_CHECK;

/* A job: writes contract.ending 30 and 7 days before a contract ends, and contract.ended when it has ended;
 * `*done` counts the contracts that it looked at. */
enum fail contract_reminders_run(struct operation *operation, int64_t *done) MUST_CHECK;
