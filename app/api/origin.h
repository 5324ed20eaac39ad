/* origin.h: what a request from a page must have beside its cookie, so that no other site can make it
 * (cross-site request forgery), and the cookie itself. */
#pragma once

#include "api/api.h"

/* FAIL_FORBIDDEN "console_header_missing" without the header X-Billing-Console: 1, which a form of another
 * site cannot send; "origin_refused" when the browser names another origin than this service's. */
enum fail origin_check(struct call *call) MUST_CHECK;

/* Sets the cookie of a session for so many seconds; "" and 0 remove it. */
void origin_set_cookie(struct call *call, const char *token, int64_t seconds);
