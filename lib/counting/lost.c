/* lost.c: instances whose lease has ended although nothing released them. The fold takes each out of the
 * sums once, so that it is told then. */
#include "counting/lost.h"

enum { FIND, TELL };

static const struct statement statements[] = {
        [FIND] = {"usage_lost_find",
                  ROWS_WITH(struct lost_instances, customers, instances, keys, data),
                  .sql = "SELECT array_agg(customer_id) AS customers, "
                         "array_agg(instance_id) AS instances, array_agg(key) AS keys, "
                         "array_agg(data) AS data FROM (SELECT i.customer_id, i.instance_id, "
                         "  'instance.lost ' || i.instance_id || ' ' "
                         "    || api_time(i.lease_expires_at) AS key, "
                         "  instance_shown(i.whole, $2) AS data "
                         "  FROM usage_fleet_instances w "
                         "  CROSS JOIN LATERAL (SELECT o AS whole, o.customer_id, "
                         "      o.instance_id, o.lease_expires_at, o.released_at "
                         "    FROM instances o WHERE o.customer_id = w.customer_id "
                         "    AND o.instance_id = w.instance_id OFFSET 0) i "
                         "  JOIN customers c ON c.customer_id = w.customer_id "
                         "    AND c.deleted_at IS NULL "
                         "  CROSS JOIN reminder_start s "
                         "  WHERE w.customer_id = ANY ($1::text[]) AND w.check_at <= $2 "
                         "  AND i.lease_expires_at <= $2 AND i.lease_expires_at > s.since "
                         "  AND i.released_at IS NULL "
                         "  ORDER BY i.customer_id, i.instance_id LIMIT $3::bigint) l"},
        [TELL] = {"usage_lost_tell",
                  .sql = "SELECT FROM (SELECT event_add_once('instance.lost', customer_id, "
                         "$5::timestamptz, data, key) FROM unnest($1::text[], $2::text[], "
                         "$3::text[], $4::text[]) AS l (customer_id, instance_id, key, data) "
                         "WHERE instance_lost_still(customer_id, instance_id, key)) told"},
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
	return db_run(operation->db, task, &statements[TELL],
	              PARAMETERS(param_list(task, &lost->customers),
	                         param_list(task, &lost->instances),
	                         param_list(task, &lost->keys), param_list(task, &lost->data),
	                         param_now(operation)),
	              NULL);
}
