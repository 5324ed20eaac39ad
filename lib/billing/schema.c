/*
 * schema.c: every statement that this program may run.
 */
#include "billing/schema.h"

#include "billing/api_keys.h"
#include "billing/audit.h"
#include "billing/customers.h"
#include "billing/idempotency.h"
#include "billing/licenses.h"
#include "billing/subscriptions.h"

const struct statement_list *const billing_statements[] = {
        &api_key_statements,
        &audit_statements,
        &customer_statements,
        &idempotency_statements,
        &license_statements,
        &subscription_statements,
        NULL,
};

enum fail
schema_check(struct db *db, struct task *task)
{
	for (const struct statement_list *const *list = billing_statements; *list != NULL;
	     list++)
		for (size_t i = 0; i < (*list)->count; i++)
			TRY(db_check_statement(db, task, &(*list)->items[i]));
	return FAIL_NONE;
}
