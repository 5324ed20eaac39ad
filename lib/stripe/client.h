/*
 * client.h: calls of Stripe's API: authentication, pinned version, retries, and what an
 * answer means.
 *
 * The retry rules are those of the official SDK (stripe-node 23): two retries by default; a reset
 * connection once more; `Stripe-Should-Retry` decides before any status; 409 and 5xx yes. Beyond
 * the SDK a 429 is tried again too, up to three times after about 1, 2 and 4 s, with the same key.
 * All attempts share one idempotency key and one deadline.
 *
 * After 5 asks in a row that Stripe gave no answer at all to, the client asks nothing for 5 s
 * (STRIPE_NOT_NOW, status 0), then lets one through: callers need not all wait for their deadlines
 * to learn that Stripe is away.
 */
#ifndef STRIPE_CLIENT_H
#define STRIPE_CLIENT_H

#include <stdint.h>

#include "base/failure.h"
#include "base/json_view.h"

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
	const char *idempotency_key; /* of a POST; NULL only where twice does no harm */
	/* clock_monotonic_us(): nothing waits beyond it, and with less than 0.2 s left no attempt
	 * is begun. */
	int64_t deadline_us;
};

/*
 * What is known after the last attempt, in view of all of them: when one may have been carried out,
 * a later 429, lost connection or the like does not undo that, and it stays STRIPE_UNKNOWN.
 */
enum stripe_outcome {
	STRIPE_DONE,    /* 2xx with an object */
	STRIPE_REFUSED, /* Stripe answered and did nothing: 4xx but 409 and 429 */
	STRIPE_NOT_NOW, /* Stripe did nothing yet: 409, 429; or not a byte was sent to it */
	STRIPE_UNKNOWN /* no answer, 5xx, or an unusable one: it may have been done; also the 409
	                 * that says that a request with this key is still running */
};

struct stripe_answer {
	enum stripe_outcome outcome;
	int status;                /* of the last attempt; 0: no answer */
	struct json_view object;   /* DONE: the object; else the `error` member or none */
	const char *request_id;    /* Stripe's Request-Id, or NULL */
	const char *error_type;    /* "card_error", ...; NULL when none */
	const char *error_code;    /* "resource_missing", ...; NULL when none */
	const char *error_message; /* for the log; only a card_error's is for people */
	bool replayed;             /* Idempotent-Replayed */
	int attempts;
};

/* NULL when libcurl cannot be had. The strings must outlive the client. */
struct stripe_client *stripe_client_new(const struct stripe_client_options *options);
void stripe_client_free(struct stripe_client *client);

/* Asks and waits, retries included; logs each attempt with its Request-Id, never the key. The
 * answer's parts live in the task's arena. Never fails: `out->outcome` says what is known. */
void stripe_client_send(struct stripe_client *client, struct task *task,
                        const struct stripe_request *ask, struct stripe_answer *out);

/* Whether Stripe answered the last ask itself: it did or refused that very thing, and the next may
 * fare otherwise. False: it is away, busy, or does not know our key. */
bool stripe_client_was_acknowledged(const struct stripe_client *client);

/*
 * The same as a failure: FAIL_NONE when done; FAIL_PAYMENT "payment_failed" with Stripe's own words
 * for a card_error, with ours for another 402; FAIL_NOT_FOUND "stripe_not_found" for 404;
 * FAIL_STRIPE "stripe_error" otherwise, with a sentence that says whether anything was changed.
 */
enum fail stripe_client_failure(struct task *task,
                                const struct stripe_answer *answer) MUST_CHECK;

/* FAIL_STRIPE "stripe_error": Stripe answered, but not with what was asked for. */
enum fail stripe_answer_unusable(struct task *task) MUST_CHECK;

/* The SDK's rules, apart so that they can be tested: whether to try again after `retries` of them,
 * and how long to wait first, in microseconds; `random` is in [0, 1). `should_retry` is the
 * header's value or NULL; `status` is 0 without an answer, `reset` tells how that came. */
bool stripe_should_retry(int status, bool reset, const char *should_retry, int64_t retries,
                         int64_t max_retries);
int64_t stripe_retry_wait_us(int status, int64_t retries, double random);

#endif
