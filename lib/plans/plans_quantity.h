/* plans_quantity.h: reads what plans and add-ons of plans.json sell in a quantity. */
#pragma once

#include "plans/plans_reader.h"

/* Reads "quantity", "per" and "metric" of a plan or add-on. Without "quantity" it is bought once. */
enum fail plans_read_quantity(const struct reader *reader, const char *where,
                              const struct json_view *object, const struct plans *plans,
                              struct plan_quantity *out) MUST_CHECK;

/* Once all is read: gives each plan its value of one, and refuses names that are neither a limit nor an
 * integer. */
enum fail plans_complete_quantities(const struct reader *reader,
                                    struct plans *plans) MUST_CHECK;
