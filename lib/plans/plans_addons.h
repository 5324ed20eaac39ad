/* plans_addons.h: reads the add-ons of plans.json. */
#pragma once

#include "plans/plans_reader.h"

/* Reads the list "addons", once the plans are read. Without it there are none. */
enum fail plans_read_addons(const struct reader *reader, const struct json_view *root,
                            struct plans *out) MUST_CHECK;
