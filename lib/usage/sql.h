/*
 * sql.h: the parts of SQL that single reports and batches share, so that they count alike.
 */
#ifndef USAGE_SQL_H
#define USAGE_SQL_H

/* Longer statements than what every C17 compiler must take (5.2.4.1); ours both do. */
#pragma GCC diagnostic ignored "-Woverlength-strings"

/* All columns of a struct usage_report, from a table of that alias. */
#define USAGE_REPORT_COLUMNS(r)                                                                \
	r ".usage_id, " r ".customer_id, " r ".instance_id, " r ".active_devices, " r          \
	  ".total_devices, " r ".metrics::text AS metrics, " r ".reported_at, " r              \
	  ".received_at, " r ".report_id, " r ".corrects, " r ".reason, " r ".superseded_by"

/* What a new report changes of its instance `i`. Late ones tell that it was there, not what it has
 * now, and do not take up again what was released since. */
#define USAGE_IS_NEWEST                                                                        \
	"(COALESCE(i.latest_reported_at, '-infinity'), COALESCE(i.latest_usage_id, 0)) <= "    \
	"(EXCLUDED.latest_reported_at, EXCLUDED.latest_usage_id)"
#define USAGE_INSTANCE_COLUMNS                                                                 \
	"customer_id, instance_id, first_seen_at, last_seen_at, lease_expires_at, "            \
	"latest_usage_id, latest_reported_at, active_devices, total_devices, metrics"
#define USAGE_INSTANCE_CHANGES                                                                 \
	"ON CONFLICT (customer_id, instance_id) DO UPDATE SET "                                \
	"first_seen_at = least(i.first_seen_at, EXCLUDED.first_seen_at), "                     \
	"last_seen_at = greatest(i.last_seen_at, EXCLUDED.last_seen_at), "                     \
	"lease_expires_at = CASE WHEN EXCLUDED.last_seen_at <= i.released_at "                 \
	"  THEN i.lease_expires_at "                                                           \
	"  ELSE greatest(i.lease_expires_at, EXCLUDED.lease_expires_at) END, "                 \
	"released_at = CASE WHEN EXCLUDED.last_seen_at <= i.released_at THEN i.released_at "   \
	"  END, "                                                                              \
	"latest_usage_id = CASE WHEN " USAGE_IS_NEWEST                                         \
	"  THEN EXCLUDED.latest_usage_id ELSE i.latest_usage_id END, "                         \
	"latest_reported_at = CASE WHEN " USAGE_IS_NEWEST                                      \
	"  THEN EXCLUDED.latest_reported_at ELSE i.latest_reported_at END, "                   \
	"active_devices = CASE WHEN " USAGE_IS_NEWEST                                          \
	"  THEN EXCLUDED.active_devices ELSE i.active_devices END, "                           \
	"total_devices = CASE WHEN " USAGE_IS_NEWEST                                           \
	"  THEN EXCLUDED.total_devices ELSE i.total_devices END, "                             \
	"metrics = CASE WHEN " USAGE_IS_NEWEST " THEN EXCLUDED.metrics ELSE i.metrics END "

/* What new reports add to their day `d`. */
#define USAGE_DAY_COLUMNS                                                                      \
	"customer_id, day, instance_id, reports, active_devices_max, active_devices_sum, "     \
	"total_devices_max, total_devices_sum"
#define USAGE_DAY_CHANGES                                                                      \
	"ON CONFLICT (customer_id, day, instance_id) DO UPDATE SET "                           \
	"reports = d.reports + EXCLUDED.reports, "                                             \
	"active_devices_max = greatest(d.active_devices_max, EXCLUDED.active_devices_max), "   \
	"active_devices_sum = d.active_devices_sum + EXCLUDED.active_devices_sum, "            \
	"total_devices_max = greatest(d.total_devices_max, EXCLUDED.total_devices_max), "      \
	"total_devices_sum = d.total_devices_sum + EXCLUDED.total_devices_sum "

/* And to its metrics `m`. */
#define USAGE_METRIC_COLUMNS "customer_id, day, instance_id, metric, total, highest"
#define USAGE_METRIC_CHANGES                                                                   \
	"ON CONFLICT (customer_id, day, instance_id, metric) DO UPDATE SET "                   \
	"total = m.total + EXCLUDED.total, highest = greatest(m.highest, EXCLUDED.highest) "

#endif
