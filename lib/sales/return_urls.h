/* return_urls.h: where Stripe may send a customer's browser after a checkout. */
#pragma once

#include "operation/operation.h"

/* NULL when the URL is an http(s) URL of BASE_URL's origin or of one in RETURN_URL_ORIGINS (RFC
 * 6454); else why not. */
const char *return_url_fault(const struct sales_policy *policy, const char *url);
