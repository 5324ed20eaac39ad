/*
 * client.h: sends requests to Stripe's API: authentication, pinned version, retries, and what
 * an answer means.
 *
 * The retry rules are those of the official SDK (stripe-node 23): two retries by default; a
 * reset connection is tried once more; `Stripe-Should-Retry` decides before any status; 409
 * and 5xx are tried again. Beyond the SDK, 429 is tried again up to three times after about 1,
 * 2 and 4 s. All attempts share one idempotency key and one deadline.
 *
 * After 5 requests in a row without any answer, the client sends none for 5 s (STRIPE_NOT_NOW,
 * status 0), then lets one through: while Stripe is away, not every caller waits for its
 * deadline.
 */
#pragma once

#include <stdint.h>

#include "base/failure.h"
#include "json/view.h"

struct stripe_client;

struct stripe_client_options {
	const char *api_base; /* "https://api.stripe.com", without a slash at the end */
	const char *secret_key;
	const char *api_version; /* Stripe-Version */
	const char *ca_file;     /* NULL: the system's authorities */
	int64_t max_retries;
	int64_t connect_timeout_ms;
	int64_t attempt_timeout_ms; /* of one attempt */
};

enum stripe_method { STRIPE_GET, STRIPE_POST, STRIPE_DELETE };

struct stripe_request {
	enum stripe_method method;
	const char *path; /* "/v1/...", encoded, without a query */
	const char *form; /* encoded parameters: a POST's body, else the query; or NULL */
	const char *idempotency_key; /* of a POST; NULL only where a repetition does no harm */
	/* By clock_monotonic_us(): nothing waits longer, and with less than 0.2 s left no
	 * attempt begins. */
	int64_t deadline_us;
};

/* The outcome after all attempts. When one of them may have been carried out, a later 429 or
 * lost connection does not change that: the outcome stays STRIPE_UNKNOWN. */
enum stripe_outcome {
	STRIPE_DONE,    /* 2xx with an object */
	STRIPE_REFUSED, /* Stripe answered and did nothing: 4xx but 409 and 429 */
	STRIPE_NOT_NOW, /* Stripe did nothing yet: 409, 429; or nothing was sent */
	STRIPE_UNKNOWN  /* it may have been done: no or an unusable answer, 5xx, or the 409 of a
	                * key whose first request is still running */
};

struct stripe_answer {
	enum stripe_outcome outcome;
	int status;                /* of the last attempt; 0: no answer */
	struct json_view object;   /* DONE: the object; else the `error` member or none */
	const char *request_id;    /* Stripe's Request-Id, or NULL */
	const char *error_type;    /* "card_error", ...; NULL when none */
	const char *error_code;    /* "resource_missing", ...; NULL when none */
	const char *error_param;   /* the parameter that it is about; NULL when none */
	const char *error_message; /* for the operator; only a card_error's is for customers */
	bool replayed;             /* Idempotent-Replayed */
	int attempts;
};

/* NULL when libcurl fails. The strings must outlive the client. */
struct stripe_client *stripe_client_new(const struct stripe_client_options *options);
void stripe_client_free(struct stripe_client *client);

/* Sends the request, retries included, and waits for the answer, whose parts live in the task's
 * arena. Logs each attempt with Stripe's Request-Id, never the key. Never fails: `out->outcome`
 * says what is known. */
void stripe_client_send(struct stripe_client *client, struct task *task,
                        const struct stripe_request *request, struct stripe_answer *out);

/* Whether Stripe carried out or refused the last request itself. False: Stripe is away, busy or
 * does not know our key, and other requests would fail too. */
bool stripe_client_was_acknowledged(const struct stripe_client *client);

/* The code of a failure: a parameter names a customer that Stripe does not have. */
#define STRIPE_CUSTOMER_MISSING "stripe_customer_missing"

/* The answer as a failure: FAIL_NONE when done; FAIL_PAYMENT "payment_failed" with Stripe's own words for a
 * card_error, with ours for another 402; FAIL_NOT_FOUND "stripe_not_found" for 404; FAIL_STRIPE
 * STRIPE_CUSTOMER_MISSING; FAIL_STRIPE "stripe_error" otherwise, with a sentence that says whether anything
 * was changed. */
enum fail stripe_client_failure(struct task *task,
                                const struct stripe_answer *answer) MUST_CHECK;

/* Whether the code of a failure is one of the refusals that stripe_client_failure() knows. */
bool stripe_code_is_refusal(const char *code);

/* FAIL_STRIPE "stripe_error": Stripe answered, but not with what was asked for. */
enum fail stripe_answer_unusable(struct task *task) MUST_CHECK;

/* The SDK's rules: whether to try again after so many retries, and how long to wait before, in
 * microseconds. `should_retry` is the header's value or NULL; `status` is 0 without an answer,
 * `reset` says that the connection was reset; `random` is in [0, 1). */
bool stripe_should_retry(int status, bool reset, const char *should_retry, int64_t retries,
                         int64_t max_retries);
int64_t stripe_retry_wait_us(int status, int64_t retries, double random);
