/* audit_fixture.h: an audit trail that is empty at first, its chain and its file of signed heads. */
#pragma once

#include "support/billing_fixture.h"

#include <unistd.h>

#include "audit/verify.h"
#include "billing/audit.h"

static inline const char *
new_path(void)
{
	return arena_printf(task.arena, "/tmp/%s", random_id(task.arena, "audit-heads-", 8));
}

static inline void
run_script(const char *sql)
{
	struct db *db = database_open(database_url(), DATABASE_PATIENT_MS, false);

	database_script(db, &task, sql);
	db_free(db);
}

/* Changes what the superuser alone can. */
static inline void
force(const char *sql)
{
	run_script(arena_printf(task.arena, "SET session_replication_role = replica; %s", sql));
}

/* Each test has a trail of its own, at the time of the database. */
static inline void
begin(void)
{
	struct instant now;

	force("TRUNCATE audit_log, audit_chain, audit_pending; "
	      "UPDATE audit_backfill SET done_id = 0, last_id = 0, ended_at = now()");
	fine(db_clock(operation.db, &task, &now));
	operation.now_ms = now.ms;
	operation.batch = 7;
	billing.policy.audit_heads_file = new_path();
}

static inline void
end(void)
{
	(void)unlink(billing.policy.audit_heads_file);
}

static inline void
write_entries(int count)
{
	for (int i = 0; i < count; i++)
		fine(audit_record(&operation, "test", customer_id, NULL,
		                  arena_printf(task.arena, "entry %d", i)));
}

/* Chains all that waits; how many that were. */
static inline int64_t
chain(void)
{
	int64_t done, total = 0;

	do {
		fine(audit_chain_run(&operation, &done));
		total += done;
	} while (done > 0);
	return total;
}

static inline struct audit_verdict
verify_with(const struct audit_head_keys *head_keys)
{
	struct audit_verdict verdict;
	const char *heads;

	fine(audit_heads_file(&task, billing.policy.audit_heads_file, &heads));
	fine(audit_verify(&operation, head_keys, heads, &verdict));
	return verdict;
}

static inline struct audit_verdict
verify(void)
{
	return verify_with(&(struct audit_head_keys){.keys = &keys});
}

/* Exactly one fault of this kind. */
static inline void
finds(const char *fault)
{
	struct audit_verdict verdict = verify();

	ck_assert_int_eq(verdict.found, 1);
	ck_assert_str_eq(verdict.faults[0].fault, fault);
}

static inline void
sign_head(void)
{
	int64_t done;

	fine(audit_heads_run(&operation, &done));
}
