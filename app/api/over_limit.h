/* over_limit.h: tells which limits a purchase leaves below what is in use. */
#pragma once

#include "api/api.h"
#include "billing/purchase.h"
#include "json/out.h"

/* Adds "over_limit", a list of {name, limit, in_use}: the limits, and features that are integers, of the
 * plan with this purchase that the customer uses more of now. Nothing is refused for that. */
enum fail render_over_limit(struct call *call, struct json_out *json, const char *customer_id,
                            const char *plan, const struct purchase *purchase) MUST_CHECK;
