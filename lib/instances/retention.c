/* retention.c: deletes the instances that nothing has used for very long. */
#include "instances/retention.h"

struct pruned {
	int64_t instances;
};

extern const char instances_prune_sql[]; /* prune.sql */

static const struct statement statements[] = {
        {"instance_prune", ROWS_WITH(struct pruned, instances), .sql = instances_prune_sql},
};

const struct statement_list instance_retention_statements = STATEMENT_LIST(statements);

enum fail
instance_prune(struct operation *operation, int64_t *deleted)
{
	struct task *task = operation->task;
	int64_t days = operation->billing->policy.usage_retention_days;
	struct pruned pruned = {0};
	bool found;

	TRY(db_row(operation->db, task, &statements[0],
	           PARAMETERS(param_now(operation), param_int(task, days),
	                      param_int(task, INSTANCES_LOOKED_AT)),
	           &pruned, &found));
	*deleted = pruned.instances;
	return FAIL_NONE;
}
