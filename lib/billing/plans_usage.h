/*
 * plans_usage.h: what plans.json says about use: metrics, bounds, meters and what they cost.
 */
#ifndef BILLING_PLANS_USAGE_H
#define BILLING_PLANS_USAGE_H

#include "billing/plans_reader.h"

/* The table of metrics, {name: kind}; without it there are none beyond devices. */
enum fail plans_read_metrics(const struct reader *reader, const struct json_view *root,
                             struct plans *out) MUST_CHECK;

/* The member "usage" of a plan or of the trial; without it nothing is bounded. */
enum fail plans_read_usage(const struct reader *reader, const char *where,
                           const struct json_view *parent, const struct plans *plans,
                           struct plan_usage *out) MUST_CHECK;

/* What the use that meters count costs, {meter: price}, once the plans are known that name them. */
enum fail plans_read_meters(const struct reader *reader, const struct json_view *root,
                            struct plans *out) MUST_CHECK;

#endif
