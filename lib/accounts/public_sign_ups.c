/* public_sign_ups.c: judges sign-ups without a key of an operator before they cost much. */
#include "accounts/public_sign_ups.h"

#include "billing/customers.h"

struct known {
	bool taken;
	bool is_full;
};

enum { KNOWN, COUNT };

static const struct statement statements[] = {
        [KNOWN] = {"public_sign_up_known", ROWS_WITH(struct known, taken, is_full),
                   .sql = "SELECT EXISTS (SELECT FROM customers WHERE email_key = $1 "
                          "AND deleted_at IS NULL) AS taken, "
                          "EXISTS (SELECT FROM sign_up_counts AS c, "
                          "date_trunc('hour', $2::timestamptz, 'UTC') AS present "
                          "WHERE c.sign_ups >= $3::bigint "
                          "AND c.hour IN (present, present + interval '1 hour')) AS is_full"},
        /* A request of an hour that has just ended counts for the new one. A later hour is the
         * mistake of a clock. */
        [COUNT] = {"public_sign_up_count",
                   .sql = "WITH present AS (SELECT date_trunc('hour', $1::timestamptz, 'UTC') "
                          "  AS hour) "
                          "INSERT INTO sign_up_counts AS c (hour, sign_ups) "
                          "SELECT hour, 1 FROM present "
                          "ON CONFLICT (only_row) DO UPDATE SET "
                          "hour = CASE WHEN c.hour = excluded.hour + interval '1 hour' "
                          "  THEN c.hour ELSE excluded.hour END, "
                          "sign_ups = CASE WHEN c.hour IN (excluded.hour, "
                          "  excluded.hour + interval '1 hour') THEN c.sign_ups + 1 ELSE 1 END "
                          "WHERE c.sign_ups < $2::bigint OR c.hour NOT IN (excluded.hour, "
                          "  excluded.hour + interval '1 hour')"},
};

const struct statement_list public_sign_up_statements = STATEMENT_LIST(statements);

static enum fail
fail_until_next_hour(struct operation *operation)
{
	struct task *task = operation->task;

	(void)task_fail(
	        task, FAIL_LIMITED, "too_many_sign_ups",
	        "Too many customers signed up in this hour; try again in the next one.");
	task->failure.retry_after_s =
	        (HOUR_MS - operation->now_ms % HOUR_MS + SECOND_MS - 1) / SECOND_MS;
	return FAIL_LIMITED;
}

enum fail
public_sign_up_judge(struct operation *operation, const char *email_key)
{
	struct task *task = operation->task;
	struct known known = {0};
	bool found;

	TRY(db_row(operation->db, task, &statements[KNOWN],
	           PARAMETERS(email_key, param_now(operation),
	                      param_int(task, operation->billing->policy.sign_ups_per_hour)),
	           &known, &found));
	if (known.taken)
		return fail_customer_exists(task);
	return known.is_full ? fail_until_next_hour(operation) : FAIL_NONE;
}

enum fail
public_sign_up_count(struct operation *operation)
{
	struct task *task = operation->task;
	int64_t counted;

	TRY(db_run(operation->db, task, &statements[COUNT],
	           PARAMETERS(param_now(operation),
	                      param_int(task, operation->billing->policy.sign_ups_per_hour)),
	           &counted));
	return counted > 0 ? FAIL_NONE : fail_until_next_hour(operation);
}
