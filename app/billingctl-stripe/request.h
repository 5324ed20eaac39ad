/* request.h: sends billingctl's requests to Stripe and explains failures. */
#pragma once

#include "billingctl/ctl.h"
#include "stripe/client.h"

/* Sends one request, within STRIPE_DEADLINE_MS. The message of a failure has Stripe's own, if
 * there is one: FAIL_NOT_FOUND "stripe_not_found", FAIL_FORBIDDEN "stripe_forbidden" for what a
 * restricted key may not do, FAIL_STRIPE "stripe_error". */
enum fail request_get(struct ctl *ctl, const char *path, const char *form,
                      struct json_view *out) MUST_CHECK;
enum fail request_post(struct ctl *ctl, const char *path, const char *form,
                       struct json_view *out) MUST_CHECK;

/* Tries to delete an object after a failure, which stays the failure of the command. */
void request_delete(struct ctl *ctl, const char *path);

/* Checks with one GET that Stripe answers and accepts the key. */
enum fail request_check_key(struct ctl *ctl) MUST_CHECK;

/* Fetches a list, its first hundred items. */
enum fail request_list(struct ctl *ctl, const char *path, const char *form,
                       struct json_view *out) MUST_CHECK;
