/* retry.c: whether and when to try a request again, by the rules of the official SDK
 * (stripe-node 23, RequestSender) and longer for a rate limit; and the failure that an answer
 * becomes. */
#include "stripe/client.h"

#include "base/text.h"

enum { TOO_MANY_REQUESTS = 429, RATE_LIMIT_RETRIES = 3 };

bool
stripe_should_retry(int status, bool reset, const char *should_retry, int64_t retries,
                    int64_t max_retries)
{
	/* A kept connection may have been stale. */
	if (reset && retries == 0)
		return true;
	/* Stripe limits rates before it does anything, so trying again is safe. */
	if (status == TOO_MANY_REQUESTS && should_retry == NULL)
		return max_retries > 0 && retries < RATE_LIMIT_RETRIES;
	if (retries >= max_retries)
		return false;
	if (status == 0)
		return true;
	if (text_equal(should_retry, "false"))
		return false;
	if (text_equal(should_retry, "true"))
		return true;
	return status == 409 || status >= 500;
}

int64_t
stripe_retry_wait_us(int status, int64_t retries, double random)
{
	const double second_us = 1e6, first_s = 0.5, longest_s = 5;
	double wait_s = status == TOO_MANY_REQUESTS ? 1 : first_s;

	if (status == TOO_MANY_REQUESTS) {
		for (int64_t i = 0; i < retries && wait_s < 4; i++)
			wait_s *= 2;
		/* A quarter more or less, so that clients limited together do not return
		 * together. */
		return (int64_t)(wait_s * (0.75 + 0.5 * random) * second_us);
	}
	for (int64_t i = 1; i < retries && wait_s < longest_s; i++)
		wait_s *= 2;
	wait_s = wait_s < longest_s ? wait_s : longest_s;
	wait_s *= 0.5 * (1 + random);
	return (int64_t)((wait_s > first_s ? wait_s : first_s) * second_us);
}

/* A sentence for people: whether anything was changed. Stripe's messages are for
 * programmers. */
static const char *
sentence_for(const struct stripe_answer *answer)
{
	switch (answer->outcome) {
	case STRIPE_REFUSED:
		return "Stripe did not accept this; nothing was changed.";
	case STRIPE_NOT_NOW:
		return answer->status == 0
		               ? "Stripe cannot be reached right now; nothing was changed."
		               : "Stripe is busy right now; nothing was changed.";
	case STRIPE_DONE:
	case STRIPE_UNKNOWN:
		break;
	}
	return answer->status == 0 ? "Stripe did not answer in time; it may have acted or not."
	                           : "Stripe had a problem; it may have acted or not.";
}

enum fail
stripe_client_failure(struct task *task, const struct stripe_answer *answer)
{
	const char *words = answer->error_message;

	if (answer->outcome == STRIPE_DONE)
		return FAIL_NONE;
	if (answer->outcome == STRIPE_REFUSED && text_equal(answer->error_type, "card_error"))
		return task_fail(task, FAIL_PAYMENT, "payment_failed", "%s",
		                 words != NULL ? words : "The payment did not go through.");
	if (answer->outcome == STRIPE_REFUSED && answer->status == 402)
		return task_fail(task, FAIL_PAYMENT, "payment_failed",
		                 "The payment did not go through.");
	if (answer->outcome == STRIPE_REFUSED && answer->status == 404)
		return task_fail(task, FAIL_NOT_FOUND, "stripe_not_found",
		                 "Stripe has no such object.");
	return task_fail(task, FAIL_STRIPE, "stripe_error", "%s", sentence_for(answer));
}

enum fail
stripe_answer_unusable(struct task *task)
{
	return task_fail(task, FAIL_STRIPE, "stripe_error",
	                 "Stripe's answer could not be understood.");
}
