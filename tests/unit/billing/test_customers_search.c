/* test_customers_search.c: a search finds customers by the start of their names, the newest
 * first, without reading all the others. */
#include "support/database.h"

#include "base/text.h"
#include "billing/customers.h"

/* Each customer is older than the one before; the table has them in no order. */
#define FILL                                                                                   \
	"BEGIN;"                                                                               \
	"INSERT INTO customers (customer_id, email, company_name, created_at, updated_at) "    \
	"SELECT 'cust_' || md5(n::text), 'person' || n || '@search.example', "                 \
	"  'Company ' || lpad((20000 - n)::text, 8, '0'), now() - n * interval '1 second', "   \
	"  now() FROM generate_series(1, 20000) AS n ORDER BY md5(n::text);"                   \
	"UPDATE customers SET company_name = '100% \\_' WHERE email ~ '^person1.7@';"          \
	"UPDATE customers SET deleted_at = now(), email = NULL, company_name = NULL WHERE "    \
	"email ~ '^person1.*3@';"                                                              \
	"ANALYZE customers;"

/* How many pages a search reads. */
#define PAGES                                                                                  \
	"CREATE FUNCTION pg_temp.pages(words text) RETURNS bigint LANGUAGE plpgsql AS $$ "     \
	"DECLARE plan json; BEGIN "                                                            \
	"EXECUTE format('EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "                             \
	"  EXECUTE search(NULL, NULL, 21, 0, now(), %L)', words) INTO plan; "                  \
	"RETURN (plan -> 0 -> 'Plan' ->> 'Shared Hit Blocks')::bigint "                        \
	"  + (plan -> 0 -> 'Plan' ->> 'Shared Read Blocks')::bigint; END $$"

static struct task task;
static struct operation operation;

static void
setup(void)
{
	task = suite_task();
	operation = (struct operation){
	        .task = &task, .db = database_open(database_url(), DATABASE_PATIENT_MS, true)};
	database_script(operation.db, &task, FILL);
}

/* Rolls the test's rows back. */
static void
teardown(void)
{
	db_free(operation.db);
	suite_task_end(&task);
}

/* The ids of a page, separated by commas. */
static const char *
page_of(const struct customer_filter *filter, struct page *page, struct instant *last_at,
        const char **last_id)
{
	struct text ids = text_new(task.arena, 256);
	const struct customer *found;
	size_t count;

	ck_assert_int_eq(customer_list(&operation, filter, page, &found, &count), FAIL_NONE);
	for (size_t i = 0; i < count; i++)
		text_printf(&ids, "%s%s", i == 0 ? "" : ",", found[i].customer_id);
	*last_id = count == 0 ? NULL : found[count - 1].customer_id;
	if (count > 0)
		*last_at = found[count - 1].created_at;
	return ids.data;
}

/* Whether the simplest statement reads the same page. */
static bool
is_plain(const struct customer_filter *filter, const struct page *page, const char *cursor,
         const char *ids)
{
	return database_number(
	               operation.db, &task,
	               arena_printf(
	                       task.arena,
	                       "((SELECT coalesce(string_agg(customer_id, ','), '') FROM "
	                       "(SELECT customer_id FROM customers WHERE deleted_at IS NULL "
	                       "AND %s AND (starts_with(lower(email), lower($q$%s$q$)) "
	                       "OR starts_with(lower(company_name), lower($q$%s$q$))) "
	                       "ORDER BY created_at DESC, customer_id DESC LIMIT %d OFFSET %d) "
	                       "AS page) = '%s')::int",
	                       cursor, filter->query, filter->query, (int)page->limit,
	                       (int)page->offset, ids)) == 1;
}

static const char *const words[] = {"company 0000",
                                    "company 00019",
                                    "company 000000",
                                    "COMPANY 0001999",
                                    "company 00000001",
                                    "c",
                                    "p",
                                    "person1",
                                    "person19999@",
                                    "nobody",
                                    "100%",
                                    "100% \\",
                                    "100%%",
                                    "_",
                                    "\xf0\x9f\x94\x91"};

START_TEST(test_pages_equal_those_of_a_plain_statement)
{
	static const int offsets[] = {0, 3, 190, 230};

	for (int i = 0; i < ROWS(offsets); i++) {
		struct customer_filter filter = {.query = words[_i]};
		struct page page = {.limit = 21, .offset = offsets[i]};
		const char *cursor = "true", *ids, *last_id;
		struct instant last_at;

		for (int number = 0; number < 4; number++) {
			ids = page_of(&filter, &page, &last_at, &last_id);
			ck_assert_msg(is_plain(&filter, &page, cursor, ids),
			              "%s, page %d from %d: %s", words[_i], number, offsets[i],
			              ids);
			if (last_id == NULL)
				break;
			page.at = last_at;
			page.id = last_id;
			cursor = arena_printf(task.arena,
			                      "(created_at, customer_id) < (SELECT date_trunc("
			                      "'milliseconds', created_at), customer_id FROM "
			                      "customers WHERE customer_id = '%s')",
			                      last_id);
		}
	}
}
END_TEST

static const char *
sql_of(const char *name)
{
	for (size_t i = 0; i < customer_statements.count; i++)
		if (strcmp(customer_statements.items[i].name, name) == 0)
			return customer_statements.items[i].sql;
	ck_abort_msg("there is no such statement");
}

/* The planner takes a name that it has sampled for one that a hundredth of all customers have.
 * Reading the whole table takes more than 20 000 pages. */
START_TEST(test_names_that_the_planner_knows)
{
	static const char *const modes[] = {"auto", "force_generic_plan"};

	database_script(operation.db, &task, PAGES);
	database_script(
	        operation.db, &task,
	        arena_printf(
	                task.arena,
	                "PREPARE search(timestamptz, text, bigint, bigint, timestamptz, text) "
	                "AS %s; SET LOCAL plan_cache_mode = %s",
	                sql_of("customer_list_query"), modes[_i]));
	ck_assert_int_lt(
	        database_number(
	                operation.db, &task,
	                "SELECT max(pg_temp.pages(left(bound, length(bound) - cut))) "
	                "FROM unnest((SELECT histogram_bounds::text::text[] FROM pg_stats "
	                "  WHERE tablename = 'customers' AND attname = 'company_key')) AS "
	                "bound, "
	                "generate_series(0, 2) AS cut"),
	        5000);
}
END_TEST

/* PostgreSQL makes a plan of its own for each of the first five executions, and for later ones too
 * when the plan for all parameters seems dearer. */
START_TEST(test_list_is_not_planned_each_time)
{
	database_script(operation.db, &task,
	                arena_printf(task.arena,
	                             "PREPARE list(timestamptz, text, bigint, bigint, "
	                             "timestamptz) AS %s",
	                             sql_of("customer_list")));
	for (int i = 0; i < 6; i++)
		database_script(operation.db, &task, "EXECUTE list(NULL, NULL, 21, 0, now())");
	ck_assert_int_eq(database_number(operation.db, &task,
	                                 "SELECT generic_plans FROM pg_prepared_statements "
	                                 "WHERE name = 'list'"),
	                 1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("customers search");
	TCase *tcase = tcase_create("search");

	tcase_set_timeout(tcase, 300);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, test_pages_equal_those_of_a_plain_statement, 0, ROWS(words));
	tcase_add_loop_test(tcase, test_names_that_the_planner_knows, 0, 2);
	tcase_add_test(tcase, test_list_is_not_planned_each_time);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
