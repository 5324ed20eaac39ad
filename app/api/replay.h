/*
 * replay.h: POST with an Idempotency-Key: the first answer, however often it is asked.
 */
#ifndef API_REPLAY_H
#define API_REPLAY_H

#include "api/api.h"

/* The call is a POST that changes something and brings a key. */
bool replay_applies(const struct call *call);

/*
 * Answers with the stored answer (Idempotent-Replayed: true), or runs the handler and stores what
 * it answers in the same transaction: refusals too, but not what may be tried again (5xx).
 */
enum fail replay_or_run(struct call *call) MUST_CHECK;

#endif
