/* report_row.h: how statements select whole rows of usage_reports. */
#pragma once

#include "usage/report.h"

/* The columns of a struct usage_report, and of which table: `r` is usage_reports. */
extern const struct column usage_report_columns[];

#define USAGE_REPORT_ROW ROWS_OF(struct usage_report, usage_report_columns)

#define USAGE_REPORT_COLUMNS                                                                   \
	"r.usage_id, r.customer_id, r.instance_id, r.active_devices, r.total_devices, "        \
	"r.metrics::text AS metrics, r.reported_at, r.received_at, r.report_id, r.corrects, "  \
	"r.reason, r.superseded_by "
