/* retry.c: whether and when to try a request again, by the rules of the official SDK
 * (stripe-node 23, RequestSender) and longer for a rate limit; and the failure that an answer
 * becomes. */
#include "stripe/client.h"

#include <string.h>

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

/*
 * Refusals in which a client can choose otherwise or turn to the vendor. Stripe has no code for the
 * first three; they are known by a part of their message (seen in public reports of 2022 to 2026).
 */
static const struct refusal {
	const char *code, *message; /* ours, and for people */
	const char *says;           /* a part of Stripe's message; NULL: any */
	const char *error_code;     /* Stripe's; NULL: any */
	const char *param;          /* its end; NULL: any */
} refusals[] = {
        {"subscription_scheduled",
         "A schedule at Stripe manages this subscription; only the vendor can change it.",
         "managed by the subscription schedule", NULL, NULL},
        {"currency_mismatch", "The customer pays in another currency than this price's.",
         "combine currencies on a single customer", NULL, NULL},
        {"price_unavailable", "This price is not sold any more.", "price specified is inactive",
         NULL, NULL},
        {"price_unavailable", "This price is not sold any more.", NULL, "resource_missing",
         "[price]"},
        {"tax_location_invalid",
         "Stripe cannot compute the tax: the customer's billing address must be completed "
         "first.",
         NULL, "customer_tax_location_invalid", NULL},
        {"tax_location_invalid",
         "Stripe cannot compute the tax: the customer's billing address must be completed "
         "first.",
         NULL, "failed_tax_calculation", NULL},
};

enum { REFUSALS = sizeof(refusals) / sizeof(*refusals) };

static bool
ends_with(const char *text, const char *end)
{
	size_t length;

	if (text == NULL)
		return false;
	length = strlen(text);
	return length >= strlen(end) && strcmp(text + length - strlen(end), end) == 0;
}

static bool
is_refusal(const struct stripe_answer *answer, const struct refusal *refusal)
{
	const char *message = answer->error_message;

	return (refusal->says == NULL ||
	        (message != NULL && strstr(message, refusal->says) != NULL)) &&
	       (refusal->error_code == NULL ||
	        text_equal(answer->error_code, refusal->error_code)) &&
	       (refusal->param == NULL || ends_with(answer->error_param, refusal->param));
}

bool
stripe_code_is_refusal(const char *code)
{
	for (size_t i = 0; i < REFUSALS; i++)
		if (text_equal(refusals[i].code, code))
			return true;
	return false;
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
	for (size_t i = 0; answer->outcome == STRIPE_REFUSED && i < REFUSALS; i++)
		if (is_refusal(answer, &refusals[i]))
			return task_fail(task, FAIL_CONFLICT, refusals[i].code, "%s",
			                 refusals[i].message);
	if (answer->outcome == STRIPE_REFUSED && text_equal(answer->error_param, "customer") &&
	    text_equal(answer->error_code, "resource_missing"))
		return task_fail(task, FAIL_STRIPE, STRIPE_CUSTOMER_MISSING,
		                 "Stripe does not know this customer.");
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
