/* verdict.c: what the answer of a receiver means. */
#include "webhooks/verdict.h"

#include "base/arena.h"
#include "events/attempts.h"
#include "net/posts.h"

enum { PAUSE_S = 10 };

static const char *
reason_of(struct arena *arena, const struct post_answer *answer)
{
	if (answer->reason[0] != '\0')
		return arena_copy(arena, answer->reason);
	if (answer->status >= 300 && answer->status < 400)
		return "redirects are not followed";
	return arena_printf(arena, "answered %d", answer->status);
}

/* The time that the receiver asks for, within a bound. */
static int64_t
asked_s(const struct post_answer *answer)
{
	if (answer->status != 429 && answer->status != 503)
		return 0;
	return answer->retry_after_s < ATTEMPT_WAIT_MAX_S ? answer->retry_after_s
	                                                  : ATTEMPT_WAIT_MAX_S;
}

static bool
is_overloaded(int status)
{
	return status == 429 || (status >= 502 && status <= 504);
}

bool
webhook_is_delivered(const struct post_answer *answer)
{
	return answer->reason[0] == '\0' && answer->status >= 200 && answer->status < 300;
}

struct webhook_verdict
webhook_verdict_of(struct arena *arena, const struct post_answer *answer)
{
	struct webhook_verdict verdict = {0};

	if (webhook_is_delivered(answer)) {
		verdict.result = WEBHOOK_DELIVERED;
		verdict.delivered = true;
		return verdict;
	}
	verdict.result = answer->refused             ? WEBHOOK_CLOSED
	                 : answer->reason[0] == '\0' ? WEBHOOK_ANSWERED
	                                             : WEBHOOK_UNANSWERED;
	verdict.reason = reason_of(arena, answer);
	verdict.gone = answer->status == 410;
	verdict.wait_s = asked_s(answer);
	if (is_overloaded(answer->status))
		verdict.pause_s = verdict.wait_s > PAUSE_S ? verdict.wait_s : PAUSE_S;
	return verdict;
}
