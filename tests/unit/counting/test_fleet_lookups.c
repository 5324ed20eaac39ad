/* test_fleet_lookups.c: which index finds the instances of a fleet, where PostgreSQL expects one
 * instance of each customer. */
#include "support/database.h"

/* Many customers have an instance each, and one gets more after the statistics were made. */
#define FILL                                                                                   \
	"BEGIN;"                                                                               \
	"INSERT INTO usage_fleet_instances (customer_id, instance_id, active_devices, "        \
	"  metrics, check_at) SELECT 'cust_' || md5('fleet ' || n), 'plant', 1, '{}', now() "  \
	"  FROM generate_series(1, 3000) n;"                                                   \
	"ANALYZE usage_fleet_instances;"                                                       \
	"SET plan_cache_mode = force_generic_plan;"                                            \
	"PREPARE one (text, text) AS SELECT kind FROM usage_fleet_instances "                  \
	"  WHERE customer_id = $1 AND instance_id = $2;"                                       \
	"PREPARE ended (text, timestamptz) AS SELECT instance_id FROM usage_fleet_instances "  \
	"  WHERE customer_id = $1 AND check_at <= $2;"                                         \
	"PREPARE others (text) AS SELECT count(*) FROM usage_fleet_instances "                 \
	"  WHERE customer_id = $1 AND kind <> 'production';"                                   \
	"CREATE FUNCTION pg_temp.uses(call text, index text) RETURNS int LANGUAGE plpgsql "    \
	"AS $$ DECLARE line text; BEGIN FOR line IN EXECUTE 'EXPLAIN EXECUTE ' || call LOOP "  \
	"  IF line LIKE '% using ' || index || ' on %' THEN RETURN 1; END IF; END LOOP; "      \
	"RETURN 0; END $$"

static const struct {
	const char *call;
	const char *index;
} lookups[] = {
        {"one(''c'', ''i'')", "usage_fleet_instances_pkey"},
        {"ended(''c'', now())", "usage_fleet_instances_of_customer"},
        {"others(''c'')", "usage_fleet_instances_not_production"},
};

START_TEST(test_each_lookup_has_its_index)
{
	struct task task = suite_task();
	struct db *db = database_open(database_url(), DATABASE_PATIENT_MS, false);

	database_script(db, &task, FILL);
	for (int i = 0; i < ROWS(lookups); i++)
		ck_assert_msg(
		        database_number(db, &task,
		                        arena_printf(task.arena, "pg_temp.uses('%s', '%s')",
		                                     lookups[i].call, lookups[i].index)) == 1,
		        "%s does not use %s", lookups[i].call, lookups[i].index);
	db_free(db);
	suite_task_end(&task);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("fleet lookups");
	TCase *tcase = tcase_create("lookups");

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, test_each_lookup_has_its_index);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
