/* fetch.h: sends requests to Stripe within the operation's deadline: fetches objects and lists,
 * and sends recorded calls. */
#pragma once

#include "operation/operation.h"
#include "outbox/calls.h"

/* The code of a failure: the key is of another account than the data (account.h). */
#define STRIPE_OTHER_ACCOUNT "stripe_other_account"

/* FAIL_UNAVAILABLE "stripe_not_configured" without a key. */
enum fail stripe_is_configured(struct operation *operation) MUST_CHECK;

/* Whether the failure says that Stripe cannot be reached, is busy, does not accept our key, or
 * that the key is of another account: then no other request would succeed either. */
bool stripe_is_away(const struct operation *operation, enum fail kind);

/* Sends a GET: `format` and `id` as in stripe_path(), `query` encoded or NULL. The object lives
 * in the operation's arena. Failures: see stripe_client_failure(). */
enum fail stripe_fetch(struct operation *operation, const char *format, const char *id,
                       const char *query, struct json_view *out) MUST_CHECK;

/* Fetches a page of a list: `*out` is its array of items, `*more` (unless NULL) whether another
 * page follows. FAIL_STRIPE when the answer is no list: it must not be taken for an empty
 * one. */
enum fail stripe_fetch_list(struct operation *operation, const char *format, const char *id,
                            const char *query, struct json_view *out, bool *more) MUST_CHECK;

/* Sends a POST that need not be recorded first (a preview, a page of the portal), with a new
 * idempotency key. */
enum fail stripe_post(struct operation *operation, const char *path, const char *form,
                      struct json_view *out) MUST_CHECK;

/* Sends a recorded call. Never fails: see `out->outcome`. */
void stripe_call_send(struct operation *operation, const struct stripe_call *call,
                      struct stripe_answer *out);
