/* adopt.c: takes over customers and subscriptions of another service, many at a time. */
#include "accounts/adopt.h"

#include "json/out.h"

extern const char accounts_adopt_customers_sql[];     /* adopt_customers.sql */
extern const char accounts_adopt_subscriptions_sql[]; /* adopt_subscriptions.sql */

enum { CUSTOMERS, SUBSCRIPTIONS };

static const struct statement statements[] = {
        [CUSTOMERS] = {"account_adopt_customers",
                       ROWS_WITH(struct adopted_customer, index, made, here, deleted,
                                 email_owner, stripe_taken),
                       .sql = accounts_adopt_customers_sql},
        [SUBSCRIPTIONS] = {"account_adopt_subscriptions",
                           ROWS_WITH(struct adopted_subscription, index, made, no_customer,
                                     here, stripe_taken),
                           .sql = accounts_adopt_subscriptions_sql},
};

const struct statement_list account_adopt_statements = STATEMENT_LIST(statements);

/* Runs the statement with the list, which gives a row for each item. */
static enum fail
run(struct operation *operation, int statement, struct json_out *list, size_t count, void *out)
{
	struct task *task = operation->task;
	size_t rows;

	json_out_close(list, ']');
	TRY(db_rows(operation->db, task, &statements[statement],
	            PARAMETERS(list->text.data, operation->actor, task->request_id), out,
	            &rows));
	return rows == count ? FAIL_NONE
	                     : task_fail(task, FAIL_INTERNAL, "internal_error",
	                                 "%zu of %zu rows were taken over", rows, count);
}

enum fail
account_adopt_customers(struct operation *operation, const struct customer *customers,
                        size_t count, const struct adopted_customer **out)
{
	struct task *task = operation->task;
	struct json_out json = json_out_new(task->arena, 64 + count * 512);

	json_out_open(&json, NULL, '[');
	for (size_t i = 0; i < count; i++) {
		const struct customer *customer = &customers[i];
		struct customer_keys keys;

		TRY(customer_keys_read(task, customer->email, customer->company_name, &keys));
		json_out_open(&json, NULL, '{');
		json_out_int(&json, "index", (int64_t)i);
		json_out_string(&json, "customer_id", customer->customer_id);
		json_out_string(&json, "email", customer->email);
		json_out_string(&json, "company_name", customer->company_name);
		json_out_string(&json, "stripe_customer_id", customer->stripe_customer_id);
		json_out_time(&json, "created_at", customer->created_at);
		json_out_time(&json, "updated_at", customer->updated_at);
		json_out_string(&json, "email_key", keys.address.key);
		json_out_string(&json, "company_key", keys.company);
		json_out_close(&json, '}');
	}
	return run(operation, CUSTOMERS, &json, count, (void *)out);
}

enum fail
account_adopt_subscriptions(struct operation *operation,
                            const struct subscription_to_adopt *items, size_t count,
                            const struct adopted_subscription **out)
{
	struct task *task = operation->task;
	struct json_out json = json_out_new(task->arena, 64 + count * 640);

	json_out_open(&json, NULL, '[');
	for (size_t i = 0; i < count; i++) {
		const struct subscription *s = &items[i].subscription;
		struct address address;

		TRY(address_read(task, items[i].email, &address));
		json_out_open(&json, NULL, '{');
		json_out_int(&json, "index", (int64_t)i);
		json_out_string(&json, "customer_id", s->customer_id);
		json_out_string(&json, "stripe_subscription_id", s->stripe_subscription_id);
		json_out_string(&json, "plan", s->plan);
		json_out_string(&json, "status", s->status);
		json_out_time(&json, "trial_ends_at", s->trial_ends_at);
		json_out_time(&json, "current_period_ends_at", s->current_period_ends_at);
		json_out_time(&json, "created_at", s->created_at);
		json_out_time(&json, "updated_at", s->updated_at);
		json_out_string(&json, "trial_digest", param_digest(task, &address.trial));
		json_out_string(&json, "skeleton", param_digest(task, &address.skeleton));
		json_out_bool(&json, "plain", address.plain);
		json_out_close(&json, '}');
	}
	return run(operation, SUBSCRIPTIONS, &json, count, (void *)out);
}
