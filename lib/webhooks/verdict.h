/* verdict.h: what the answer of a receiver means. */
#pragma once

#include "base/failure.h"

struct post_answer;

/* The result of an attempt, as it is counted. */
enum webhook_result {
	WEBHOOK_DELIVERED,  /* 2xx */
	WEBHOOK_ANSWERED,   /* another status */
	WEBHOOK_UNANSWERED, /* no answer, or one that is not whole */
	WEBHOOK_CLOSED,     /* no address of the host may be connected to */
	WEBHOOK_RESULTS
};

struct webhook_verdict {
	enum webhook_result result;
	bool delivered;  /* WEBHOOK_DELIVERED */
	bool gone;       /* 410: the receiver wants nothing any more */
	int64_t wait_s;  /* before the next attempt; 0: as the schedule has it */
	int64_t pause_s; /* before anything else is sent to the endpoint; 0: nothing is paused */
	const char *reason; /* of a failure, for people; NULL: none */
};

/* A 2xx; but an answer that is not whole is a failure, whatever its status. */
bool webhook_is_delivered(const struct post_answer *answer);

/* 429 and 503 may ask for time; these and 502, 504 pause the endpoint. */
struct webhook_verdict webhook_verdict_of(struct arena *arena,
                                          const struct post_answer *answer);
