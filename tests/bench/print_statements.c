/* print_statements.c: every statement of the service, as "<name> NUL <SQL> NUL", so that the
 * bench gives pgbench the very text that billingd prepares. */
#include <stdio.h>
#include <string.h>

#include "accounts/schema.h"

int
main(void)
{
	for (const struct statement_list *const *list = billing_statements; *list != NULL;
	     list++) {
		for (size_t i = 0; i < (*list)->count; i++) {
			const struct statement *statement = &(*list)->items[i];

			(void)fwrite(statement->name, strlen(statement->name) + 1, 1, stdout);
			(void)fwrite(statement->sql, strlen(statement->sql) + 1, 1, stdout);
		}
	}
	return fflush(stdout) == 0 ? 0 : 1;
}
