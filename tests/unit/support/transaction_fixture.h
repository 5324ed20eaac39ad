/* transaction_fixture.h: a table, a connection under test, and another connection that
 * reads. */
#pragma once

#include "support/database.h"

/* A statement that should end takes less also on a busy machine. */
enum { TIMEOUT_MS = 2000 };

static struct task task;
static struct db *db;    /* the one under test */
static struct db *other; /* looks on, and plays the operator */

static const struct column number_columns[] = COLUMNS(struct database_number, number);
static const struct statement insert = {
        .name = "test_insert", .sql = "INSERT INTO test_transactions VALUES ($1::bigint)"};

static inline void
setup(void)
{
	task = suite_task();
	other = database_open(database_url(), DATABASE_PATIENT_MS, false);
	/* One program at a time has the table. */
	database_script(other, &task, "SELECT pg_advisory_lock(20250215)");
	database_script(
	        other, &task,
	        "DROP TABLE IF EXISTS test_transactions;"
	        "DROP FUNCTION IF EXISTS test_end;"
	        "CREATE TABLE test_transactions (n bigint CONSTRAINT test_transactions_once"
	        " UNIQUE DEFERRABLE INITIALLY IMMEDIATE)");
	db = NULL;
}

static inline void
teardown(void)
{
	db_free(db);
	database_script(other, &task, "DROP TABLE test_transactions");
	db_free(other);
	suite_task_end(&task);
}

/* Connected and used; looped over with prepared statements and without. */
static inline void
open_limited(int unprepared, int64_t timeout_ms)
{
	db = database_open(database_url(), timeout_ms, unprepared == 0);
	ck_assert_int_eq(db_run(db, &task, &insert, PARAMETERS("100"), NULL), FAIL_NONE);
	database_script(other, &task, "DELETE FROM test_transactions");
}

static inline void
open_mode(int unprepared)
{
	open_limited(unprepared, TIMEOUT_MS);
}

static inline void
begin(void)
{
	ck_assert_msg(db_begin(db, &task) == FAIL_NONE, "%s", task.failure.message);
}

static inline void
commit(void)
{
	ck_assert_msg(db_commit(db, &task) == FAIL_NONE, "%s", task.failure.message);
}

static inline enum fail
add(const char *number)
{
	return db_run(db, &task, &insert, PARAMETERS(number), NULL);
}

/* The task has this failure; clears it. */
static inline void
failed(enum fail kind)
{
	ck_assert_msg(task.failure.kind == kind, "%d: %s", (int)task.failure.kind,
	              task.failure.message);
	task_clear(&task);
}

/* The committed rows as one decimal number: the sum of 10^n. */
static inline int64_t
stored(void)
{
	return database_number(other, &task,
	                       "SELECT COALESCE(sum(10 ^ n), 0) FROM test_transactions");
}
