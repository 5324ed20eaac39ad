/* replay.h: POST with an Idempotency-Key: every repetition gets the first answer. */
#pragma once

#include "api/api.h"

/* The call is a POST that changes something and brings a key. */
bool replay_applies(const struct call *call);

/* Answers with the stored answer (Idempotent-Replayed: true), or runs the handler and stores
 * its answer in the same transaction. Refusals are stored too; 5xx are not, as they may be
 * repeated. */
enum fail replay_or_run(struct call *call) MUST_CHECK;
