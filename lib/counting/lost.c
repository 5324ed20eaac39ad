/* lost.c: instances whose lease has ended although nothing released them. The fold takes each out of the
 * sums once, so that it is told then. */
#include "counting/lost.h"

enum { FIND, TELL };

static const struct statement statements[] = {
        /* A row that is locked is being renewed or released. As the others stay locked until the
         * transaction ends, what is told is true then. Only leases that have ended are locked, and
         * nothing waits for them here. */
        [FIND] = {"usage_lost_find",
                  ROWS_WITH(struct lost_instances, customers, keys, data, busy_customers,
                            busy_instances),
                  .sql = "WITH due AS MATERIALIZED (SELECT customer_id, instance_id "
                         "  FROM usage_fleet_instances WHERE customer_id = ANY ($1::text[]) "
                         "  AND check_at <= $2::timestamptz "
                         "  ORDER BY customer_id, instance_id LIMIT $3::bigint), "
                         "ended AS MATERIALIZED (SELECT w.customer_id, w.instance_id "
                         "  FROM due w CROSS JOIN LATERAL (SELECT o.lease_expires_at "
                         "    FROM instances o WHERE o.customer_id = w.customer_id "
                         "    AND o.instance_id = w.instance_id "
                         "    AND o.lease_expires_at <= $2::timestamptz "
                         "    AND o.released_at IS NULL OFFSET 0) i "
                         "  JOIN customers c ON c.customer_id = w.customer_id "
                         "    AND c.deleted_at IS NULL "
                         "  CROSS JOIN reminder_start s "
                         "  WHERE i.lease_expires_at > s.since), "
                         "locked AS MATERIALIZED (SELECT i.customer_id, i.instance_id, "
                         "  'instance.lost ' || i.instance_id || ' ' "
                         "    || api_time(i.lease_expires_at) AS key, "
                         "  instance_shown(i.whole, $2::timestamptz) AS data "
                         "  FROM ended w CROSS JOIN LATERAL (SELECT o AS whole, "
                         "      o.customer_id, o.instance_id, o.lease_expires_at "
                         "    FROM instances o WHERE o.customer_id = w.customer_id "
                         "    AND o.instance_id = w.instance_id "
                         "    AND o.lease_expires_at <= $2::timestamptz "
                         "    AND o.released_at IS NULL FOR SHARE SKIP LOCKED) i) "
                         "SELECT array_agg(customer_id ORDER BY customer_id, instance_id) "
                         "  FILTER (WHERE key IS NOT NULL) AS customers, "
                         "array_agg(key ORDER BY customer_id, instance_id) "
                         "  FILTER (WHERE key IS NOT NULL) AS keys, "
                         "array_agg(data ORDER BY customer_id, instance_id) "
                         "  FILTER (WHERE key IS NOT NULL) AS data, "
                         "array_agg(customer_id) FILTER (WHERE key IS NULL) "
                         "  AS busy_customers, "
                         "array_agg(instance_id) FILTER (WHERE key IS NULL) "
                         "  AS busy_instances "
                         "FROM ended LEFT JOIN locked USING (customer_id, instance_id)"},
        [TELL] = {"usage_lost_tell",
                  .sql = "SELECT FROM (SELECT instance_event_add('instance.lost', "
                         "customer_id, $4::timestamptz, data, key, 2 * $5::bigint) "
                         "FROM unnest($1::text[], $2::text[], "
                         "$3::text[]) AS l (customer_id, key, data)) told"},
};

const struct statement_list usage_lost_statements = STATEMENT_LIST(statements);

enum fail
usage_lost_find(struct operation *operation, const struct string_list *customers,
                struct lost_instances *out)
{
	struct task *task = operation->task;
	bool found;

	*out = (struct lost_instances){0};
	return db_row(operation->db, task, &statements[FIND],
	              PARAMETERS(param_list(task, customers), param_now(operation),
	                         param_int(task, USAGE_LOST_MAX)),
	              out, &found);
}

enum fail
usage_lost_tell(struct operation *operation, const struct lost_instances *lost)
{
	struct task *task = operation->task;

	if (lost->customers.count == 0)
		return FAIL_NONE;
	return db_run(
	        operation->db, task, &statements[TELL],
	        PARAMETERS(param_list(task, &lost->customers), param_list(task, &lost->keys),
	                   param_list(task, &lost->data), param_now(operation),
	                   param_int(task, operation->billing->policy.new_instances_per_day)),
	        NULL);
}
