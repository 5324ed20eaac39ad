/* role.h: the two roles of a database: the owner of the schema, who runs migrations, and the
 * role that the service connects as. */
#pragma once

#include "db/db.h"

/* Facts about the role of a connection. */
struct role_facts {
	const char *name;
	bool owns; /* it may act as the owner of the schema's tables, or there are none yet */
	bool limited; /* its sessions have time limits for statements, locks and idle transactions */
};

extern const struct statement_list role_statements;

enum fail role_facts_read(struct db *db, struct task *task, struct role_facts *out) MUST_CHECK;

/* Prepares the role that `service` connects as, on a connection of the owner: makes it if it is
 * missing, sets its time limits by the options, and runs the script `grants`, which reads the
 * role's name from the setting billing.role. Only the limits when the owner is that role.
 * FAIL_CONFLICT "role_missing" when the owner may not make roles. */
enum fail role_prepare(struct db *owner, struct task *task, const struct db_options *service,
                       const char *grants) MUST_CHECK;
