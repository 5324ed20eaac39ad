/* render_usage.h: reports, days and limits as JSON, the same wherever they appear. */
#pragma once

#include "instances/instances.h"
#include "limits/limits.h"
#include "usage/history.h"
#include "json/out.h"

/* `name` is the member's name, NULL within an array. */
void render_report(struct json_out *json, const char *name, const struct usage_report *report);

void render_day(struct json_out *json, const struct usage_day *day);

/* The members devices, instances and metrics: the current use, and its share of what the customer
 * may use; and counted_until. */
void render_levels(struct json_out *json, struct operation *operation,
                   const struct usage_levels *levels, const struct subscription *subscription,
                   const struct entitlement_terms *terms);
