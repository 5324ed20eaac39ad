/* plans_usage.h: reads the parts of plans.json about use: metrics, bounds, meters and
 * prices. */
#pragma once

#include "plans/plans_reader.h"

/* Reads the table of metrics, {name: kind}. Without it plans have no metrics. */
enum fail plans_read_metrics(const struct reader *reader, const struct json_view *root,
                             struct plans *out) MUST_CHECK;

/* Reads "usage" of a plan or of the trial. Without it nothing is bounded. */
enum fail plans_read_usage(const struct reader *reader, const char *where,
                           const struct json_view *parent, const struct plans *plans,
                           struct plan_usage *out) MUST_CHECK;

/* Reads the prices of meters, {meter: price}, once the plans that name the meters are read. */
enum fail plans_read_meters(const struct reader *reader, const struct json_view *root,
                            struct plans *out) MUST_CHECK;

/* The bounds as limits ("max_instances", "metrics.api_calls"), or the allowances as features
 * ("non_production"); and back, from both. A name that this version or the table of metrics does not
 * have is left out. */
struct license_values plans_usage_values(struct arena *arena, const struct plans *plans,
                                         enum value_kind kind, const struct plan_usage *usage);
struct plan_usage plans_usage_of(const struct plans *plans,
                                 const struct license_values *values);
