/*
 * request.h: calls of Stripe for the person at the keyboard, who may hear why one failed.
 */
#ifndef BILLINGCTL_STRIPE_REQUEST_H
#define BILLINGCTL_STRIPE_REQUEST_H

#include "billingctl/ctl.h"
#include "stripe/client.h"

/* What a command asks of Stripe, within STRIPE_DEADLINE_MS. Failures, each a sentence with Stripe's
 * own words where there are any: FAIL_NOT_FOUND "stripe_not_found", FAIL_FORBIDDEN
 * "stripe_forbidden" for what a restricted key may not do, FAIL_STRIPE "stripe_error". */
enum fail request_get(struct ctl *ctl, const char *path, const char *form,
                      struct json_view *out) MUST_CHECK;
enum fail request_post(struct ctl *ctl, const char *path, const char *form,
                       struct json_view *out) MUST_CHECK;

/* Takes something away, if that can be done; the command's failure stays what it was. */
void request_delete(struct ctl *ctl, const char *path);

/* Whether Stripe answers and takes the key; one GET. */
enum fail request_check_key(struct ctl *ctl) MUST_CHECK;

/* The list that a GET answers with, its first hundred. */
enum fail request_list(struct ctl *ctl, const char *path, const char *form,
                       struct json_view *out) MUST_CHECK;

#endif
