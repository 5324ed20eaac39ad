/* plans_prices.h: reads the prices of plans and add-ons of plans.json. */
#pragma once

#include "plans/plans_reader.h"

/* Reads "prices", a list, or "price", the only one or null, into `out` of PLAN_PRICES_MAX. `where`
 * names the plan or add-on that has them. */
enum fail plans_read_prices(const struct reader *reader, const char *where,
                            const struct json_view *object, struct plan_price *out,
                            size_t *count) MUST_CHECK;
