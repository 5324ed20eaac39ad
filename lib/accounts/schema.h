/* schema.h: every statement that this program may run, for the checks that prepare them all. */
#pragma once

#include "db/db.h"

/* The lists of all modules, ended by NULL. */
extern const struct statement_list *const billing_statements[];

/* The script that gives the role named by the setting billing.role what the statements need. */
extern const char accounts_grants_sql[]; /* grants.sql */

/* Prepares each statement on the connection and compares its columns with the code's tables.
 * FAIL_INTERNAL "statement_differs" names the first difference. */
enum fail schema_check(struct db *db, struct task *task) MUST_CHECK;
