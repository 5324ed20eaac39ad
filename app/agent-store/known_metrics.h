/* known_metrics.h: the names of the metrics that the service knows, as it last said. */
#pragma once

#include "agent-store/state.h"

/* Keeps the member "metrics" of GET /api/plans; a service older than 1.0 has none. */
enum fail known_metrics_keep(struct task *task, const struct state *state,
                             const struct json_view *plans) MUST_CHECK;

/* Whether the service knows every metric of the posted usage. FAIL_INVALID "invalid_usage" names the
 * first that it does not. Where nothing was heard from the service, any metric passes. */
enum fail known_metrics_check(struct task *task, const struct state *state,
                              const struct json_view *usage) MUST_CHECK;
