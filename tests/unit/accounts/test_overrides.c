/*
 * test_overrides.c: overrides of one customer reach its licences and limits, end by date, and leave no
 * licence that grants more than the customer may have.
 */
#include "support/billing_fixture.h"

#include "accounts/override_change.h"
#include "contracts/contracts.h"
#include "issuing/license_rights.h"
#include "limits/limits.h"

#define SUBSCRIPTION "UPDATE subscriptions SET version = version + 1, "

enum { STEPS = 60, SEQUENCES = 2, MANY_SEQUENCES = 60, TOKENS_MAX = 64 };

static struct subscription subscription;

/* Sets the overrides; both texts are JSON. `days` 0: without an end. */
static enum fail
put(const char *features, const char *limits, int64_t ends_in_ms, bool dry_run,
    struct override_outcome *out)
{
	struct any_object objects[2] = {0};
	const struct override_change change = {
	        .customer_id = customer_id,
	        .features = &objects[0],
	        .limits = &objects[1],
	        .expires_at = ends_in_ms == 0 ? INSTANT_NONE
	                                      : INSTANT_MS(operation.now_ms + ends_in_ms),
	        .reason = "test",
	        .dry_run = dry_run,
	};

	ck_assert(json_view_try(task.arena, features, strlen(features), &objects[0].object));
	ck_assert(json_view_try(task.arena, limits, strlen(limits), &objects[1].object));
	return account_override(&operation, &change, out);
}

static struct override_outcome
set(const char *features, const char *limits, int64_t ends_in_ms)
{
	struct override_outcome outcome;

	fine(put(features, limits, ends_in_ms, false, &outcome));
	return outcome;
}

static struct issued_license
issue(void)
{
	struct issued_license license;

	fine(license_current(&operation, customer_id, &license, &subscription));
	return license;
}

/* The customer pays for that plan. */
static void
pay(const char *plan)
{
	change(arena_printf(task.arena,
	                    SUBSCRIPTION "plan = '%s', status = 'active', "
	                                 "current_period_ends_at = '2035-01-01' "
	                                 "WHERE contract_id IS NULL AND customer_id = ",
	                    plan),
	       "");
	fine(license_revoke_excess(&operation, customer_id));
}

static bool
is_revoked(const struct issued_license *license)
{
	return check(license->token, &(const char *){NULL}) == LICENSE_REVOKED;
}

static int64_t
devices_max(void)
{
	struct entitlement_terms terms;
	struct usage_levels levels;

	fine(usage_levels_read(&operation, customer_id, &levels, &subscription, &terms));
	return usage_bounds(&operation, &subscription, &terms).max_devices;
}

START_TEST(test_reach_licence_and_limits)
{
	struct override_outcome outcome;
	struct issued_license license;

	pay("starter");
	outcome = set("{\"maxDevices\": 77, \"hasCustomBranding\": true}",
	              "{\"maxUsers\": null, \"maxDashboards\": 3}", 0);
	ck_assert(outcome.present);
	ck_assert(outcome.entitlements.access);
	license = issue();
	ck_assert(says(&license, "\"maxDevices\":77,"));
	ck_assert(says(&license, "\"hasCustomBranding\":true"));
	ck_assert(says(&license, "\"limits\":{\"maxAlertRules\":25,\"maxDashboards\":3}"));
	ck_assert_int_eq(devices_max(), 77);
	/* An empty set removes it. */
	outcome = set("{}", "{}", 0);
	ck_assert(!outcome.present);
	ck_assert(is_revoked(&license));
	license = issue();
	ck_assert(says(&license, "\"maxDevices\":10,"));
	ck_assert_int_eq(devices_max(), 10);
	ck_assert_int_eq(count_of("SELECT count(*) FROM overrides WHERE customer_id = ", ""),
	                 0);
}
END_TEST

/* The customer buys so many of its plan, and add-ons. */
static void
buy(int64_t quantity, const char *addons)
{
	change(arena_printf(task.arena,
	                    SUBSCRIPTION "quantity = %lld, addons = '%s' "
	                                 "WHERE contract_id IS NULL AND customer_id = ",
	                    (long long)quantity, addons),
	       "");
	fine(license_revoke_excess(&operation, customer_id));
}

/* Plans whose users are bought in a quantity, and an add-on. */
static void
sell_more(void)
{
	static const struct license_value branding = {
	        .name = "hasCustomBranding", .type = VALUE_BOOLEAN, .truth = true};
	static const struct license_value users = {
	        .name = "maxUsers", .type = VALUE_INTEGER, .number = 2};

	billing.plans.items[0].quantity =
	        (struct plan_quantity){"maxUsers", VALUE_LIMIT, 1, NULL};
	billing.plans.addons[0] = (struct plan_addon){
	        .id = "extra",
	        .quantity = {"maxDevices", VALUE_FEATURE, 100, NULL},
	        .features = {&branding, 1},
	        .limits = {&users, 1},
	};
	billing.plans.addon_count = 1;
}

START_TEST(test_purchases)
{
	struct issued_license license;

	sell_more();
	pay("starter");
	buy(7, "{\"extra\": 2, \"gone\": 9}");
	license = issue();
	ck_assert(says(&license, "\"maxUsers\":11,"));
	ck_assert(says(&license, "\"maxDevices\":210,"));
	ck_assert(says(&license, "\"hasCustomBranding\":true"));
	ck_assert_int_eq(devices_max(), 210);
	buy(7, "{\"extra\": 1}");
	ck_assert(is_revoked(&license));
	license = issue();
	ck_assert(says(&license, "\"maxUsers\":9,"));
	buy(8, "{\"extra\": 1}");
	ck_assert(!is_revoked(&license));
	buy(6, "{\"extra\": 1}");
	ck_assert(is_revoked(&license));
}
END_TEST

/* Objects of a contract's input. */
static struct any_object
object(const char *text)
{
	struct any_object out = {0};

	ck_assert(json_view_try(task.arena, text, strlen(text), &out.object));
	return out;
}

/* A contract with other values than its plan's, for 30 days from now. */
static struct contract
make_contract(void)
{
	const struct contract_input input = {.plan = "professional",
	                                     .billing = "manual",
	                                     .starts_at = INSTANT_MS(operation.now_ms),
	                                     .ends_at =
	                                             INSTANT_MS(operation.now_ms + 30 * DAY_MS),
	                                     .features = object("{\"maxDevices\": 200}"),
	                                     .limits = object("{\"maxUsers\": null}"),
	                                     .overage = object("{\"maxDevices\": 1.1}"),
	                                     .reference = {true, "PO 4711"}};
	struct contract contract;

	fine(contract_create(&operation, customer_id, &input, &contract));
	return contract;
}

START_TEST(test_contract)
{
	struct contract contract = make_contract();
	struct issued_license license = issue();

	ck_assert(says(&license, "\"maxDevices\":200,"));
	ck_assert(says(&license, "\"limits\":{\"maxAlertRules\":100,\"maxDashboards\":20}"));
	ck_assert(says(&license, arena_printf(task.arena,
	                                      "\"contract\":{\"id\":\"%s\","
	                                      "\"reference\":\"PO 4711\",\"endsAt\":",
	                                      contract.contract_id)));
	ck_assert(says(&license, "\"overage\":{\"maxDevices\":1.1}"));
	ck_assert_int_eq(devices_max(), 200);
	/* It outlives the contract by the days of grace at most. */
	ck_assert_int_le(license.expires_at.ms, operation.now_ms + 37 * DAY_MS);
	operation.now_ms += 30 * DAY_MS - SECOND_MS;
	license = issue();
	ck_assert(says(&license, "\"status\":\"active\""));
	operation.now_ms += SECOND_MS;
	license = issue();
	ck_assert(says(&license, "\"status\":\"canceled\""));
}
END_TEST

/* Overrides are above the contract, and an amendment that gives less revokes. */
START_TEST(test_contract_and_overrides)
{
	const struct contract_input less = {.features = object("{\"maxDevices\": 100}")};
	struct contract contract = make_contract();
	struct issued_license license = issue(), overridden;

	(void)set("{\"maxDevices\": 300}", "{}", DAY_MS);
	overridden = issue();
	ck_assert(says(&overridden, "\"maxDevices\":300,"));
	fine(contract_amend(&operation, customer_id, contract.contract_id, &less, &contract));
	ck_assert(is_revoked(&license) && !is_revoked(&overridden));
	(void)set("{}", "{}", 0);
	ck_assert(is_revoked(&overridden));
	license = issue();
	ck_assert(says(&license, "\"maxDevices\":100,"));
}
END_TEST

/* A contract that is to begin shortens the trial, and no licence of the trial lasts longer. */
START_TEST(test_contract_after_a_trial)
{
	struct contract_input input = {.plan = "starter",
	                               .billing = "manual",
	                               .starts_at = INSTANT_MS(operation.now_ms + 5 * DAY_MS),
	                               .ends_at = INSTANT_MS(operation.now_ms + 30 * DAY_MS),
	                               .features = object("{\"maxDevices\": 1}")};
	struct issued_license longer = issue(), license;
	struct contract contract;

	fine(contract_create(&operation, customer_id, &input, &contract));
	ck_assert(is_revoked(&longer));
	license = issue();
	ck_assert(!is_revoked(&license));
	ck_assert_int_le(license.expires_at.ms, input.starts_at.ms);
	ck_assert(says(&license, "\"maxDevices\":10,"));
	operation.now_ms = input.starts_at.ms - SECOND_MS;
	ck_assert(says(&(struct issued_license){.token = issue().token}, "\"maxDevices\":10,"));
	operation.now_ms = input.starts_at.ms;
	ck_assert(says(&(struct issued_license){.token = issue().token}, "\"maxDevices\":1,"));
}
END_TEST

START_TEST(test_end_to_the_second)
{
	struct issued_license license;
	int64_t start_ms = operation.now_ms, end_ms = start_ms + DAY_MS;

	pay("starter");
	(void)set("{\"maxDevices\": 11}", "{}", DAY_MS);
	license = issue();
	ck_assert(says(&license, "\"maxDevices\":11,"));
	ck_assert_int_eq(license.expires_at.ms, end_ms / SECOND_MS * SECOND_MS);
	operation.now_ms = end_ms - SECOND_MS;
	license = issue();
	ck_assert_int_le(license.expires_at.ms, end_ms);
	ck_assert_int_eq(devices_max(), 11);
	for (int i = 0; i < 2; i++) {
		operation.now_ms = end_ms + i * SECOND_MS;
		license = issue();
		ck_assert(says(&license, "\"maxDevices\":10,"));
		ck_assert_int_gt(license.expires_at.ms, operation.now_ms + 300 * DAY_MS);
		ck_assert_int_eq(devices_max(), 10);
	}
}
END_TEST

/* Less than the plan gives: the licence lasts, and is replaced when the overrides end. */
START_TEST(test_less_than_the_plan)
{
	struct issued_license license, more;

	pay("professional");
	more = issue();
	(void)set("{\"maxDevices\": 20}", "{}", DAY_MS);
	ck_assert(is_revoked(&more));
	license = issue();
	ck_assert(says(&license, "\"maxDevices\":20,"));
	ck_assert_int_gt(license.expires_at.ms, operation.now_ms + 300 * DAY_MS);
	operation.now_ms += DAY_MS;
	more = issue();
	ck_assert(says(&more, "\"maxDevices\":50,"));
	ck_assert(!is_revoked(&license));
}
END_TEST

/* Another end: a later one reaches the licence, an earlier one revokes the licence that lasts longer. */
START_TEST(test_another_end)
{
	struct issued_license first, longer;

	pay("starter");
	(void)set("{\"maxDevices\": 20}", "{}", 10 * DAY_MS);
	first = issue();
	(void)set("{\"maxDevices\": 20}", "{}", 20 * DAY_MS);
	longer = issue();
	ck_assert_int_eq(longer.expires_at.ms - first.expires_at.ms, 10 * DAY_MS);
	ck_assert(!is_revoked(&first));
	(void)set("{\"maxDevices\": 20}", "{}", 15 * DAY_MS);
	ck_assert(is_revoked(&longer));
	ck_assert(!is_revoked(&first));
}
END_TEST

/* Overrides that give what the plan gives too do not end a licence, until the plan becomes smaller. */
START_TEST(test_smaller_plan_below)
{
	struct issued_license license;

	pay("professional");
	(void)set(
	        "{\"maxDevices\": 50, \"dataRetentionDays\": 365, \"hasAdvancedAlerts\": true}",
	        "{\"maxUsers\": 10, \"maxAlertRules\": 100, \"maxDashboards\": 20}",
	        10 * DAY_MS);
	license = issue();
	ck_assert_int_gt(license.expires_at.ms, operation.now_ms + 300 * DAY_MS);
	pay("starter");
	ck_assert(is_revoked(&license));
	license = issue();
	ck_assert(says(&license, "\"maxDevices\":50,"));
	ck_assert_int_le(license.expires_at.ms, operation.now_ms + 10 * DAY_MS);
}
END_TEST

/* The licence of an earlier state is not stored when the overrides change meanwhile. */
START_TEST(test_change_while_a_licence_is_issued)
{
	struct license_view view = {0};
	struct issued_license license;

	pay("starter");
	(void)set("{\"maxDevices\": 20}", "{}", 0);
	fine(license_view_read(&operation, NULL, customer_id, &view));
	(void)set("{\"maxDevices\": 5}", "{}", 0);
	fine(license_issue(&operation, &view, &license));
	ck_assert(says(&license, "\"maxDevices\":5,"));
}
END_TEST

START_TEST(test_dry_run)
{
	struct override_outcome outcome;
	int64_t audited = count_of("SELECT count(*) FROM audit_log WHERE customer_id = ", "");
	struct issued_license license;

	pay("starter");
	license = issue();
	fine(put("{\"maxDevices\": 5}", "{}", DAY_MS, true, &outcome));
	ck_assert(outcome.present);
	ck_assert_ptr_nonnull(strstr(outcome.claims, "\"maxDevices\":5,"));
	ck_assert_ptr_nonnull(strstr(outcome.claims, "\"jti\":\"lic_0000"));
	ck_assert_int_eq(db_depth(operation.db), 0);
	ck_assert_int_eq(count_of("SELECT count(*) FROM overrides WHERE customer_id = ", ""),
	                 0);
	ck_assert_int_eq(count_of("SELECT count(*) FROM audit_log WHERE customer_id = ", ""),
	                 audited);
	ck_assert(!is_revoked(&license));
	ck_assert_str_eq(issue().jti, license.jti);
}
END_TEST

/* Each bad field is named. */
START_TEST(test_bad_fields)
{
	static const char *const fields[] = {
	        "features.maxDevices", "features.canExportData", "features.maxUsers",
	        "features.nothing",    "features.hasApiAccess",  "limits.maxUsers",
	        "limits.maxDevices",   "limits.maxDashboards",   "expires_at"};
	struct override_outcome outcome;
	size_t count = 0;

	ck_assert_int_eq(
	        put("{\"maxDevices\": -1, \"canExportData\": 1, \"maxUsers\": 3, "
	            "\"nothing\": true, \"hasApiAccess\": null, \"hasMqttAccess\": true}",
	            "{\"maxUsers\": true, \"maxDevices\": 3, \"maxDashboards\": "
	            "9007199254740992, "
	            "\"maxAlertRules\": null}",
	            -1, false, &outcome),
	        FAIL_INVALID);
	for (const struct field_error *error = task.failure.fields; error != NULL;
	     error = error->next)
		ck_assert_str_eq(error->field, fields[count++]);
	ck_assert_uint_eq(count, sizeof(fields) / sizeof(*fields));
	task_clear(&task);
}
END_TEST

START_TEST(test_audit_and_deletion)
{
#define AUDIT "SELECT count(*) FROM audit_log WHERE action = 'override_set' AND customer_id = "
	(void)set("{\"maxDevices\": 20}", "{}", 0);
	(void)set("{\"maxDevices\": 30}", "{\"maxUsers\": null}", DAY_MS);
	(void)set("{}", "{}", 0);
	ck_assert_int_eq(count_of(AUDIT, ""), 3);
	ck_assert_int_eq(count_of(AUDIT,
	                          " AND detail IS NULL AND value_before IS NULL "
	                          "AND value_after->'features' = '{\"maxDevices\": 20}'"),
	                 1);
	ck_assert_int_eq(count_of(AUDIT,
	                          " AND value_before->'features' = '{\"maxDevices\": 20}' "
	                          "AND value_after->'limits' = '{\"maxUsers\": null}' "
	                          "AND value_after->>'set_by' = 'system:test'"),
	                 1);
	ck_assert_int_eq(count_of(AUDIT, " AND value_after IS NULL "
	                                 "AND value_before->>'expires_at' IS NOT NULL"),
	                 1);
	/* The reason may name people: only the set has it, which deletion takes away. */
	ck_assert_int_eq(count_of(AUDIT, " AND (value_before->>'reason' IS NOT NULL "
	                                 "OR value_after->>'reason' IS NOT NULL)"),
	                 0);
	(void)set("{\"maxDevices\": 20}", "{}", 0);
	fine(account_delete(&operation, customer_id));
	ck_assert_int_eq(count_of("SELECT count(*) FROM overrides WHERE customer_id = ", ""),
	                 0);
	refused(put("{}", "{}", 0, false, &(struct override_outcome){0}), FAIL_NOT_FOUND,
	        "customer_not_found");
}
END_TEST

/* Makes a contract; the running one is amended or ended. */
static void
deal(int64_t random)
{
	struct contract_input input = {
	        .features = object(random % 2 == 0 ? "{\"maxDevices\": 40}" : "{}"),
	        .limits = object(random / 2 % 2 == 0 ? "{\"maxUsers\": 20}"
	                                             : "{\"maxDashboards\": null}")};
	struct contract_end now = {.at = INSTANT_NONE};
	const struct contract *contracts;
	struct page page = {.limit = 1};
	struct contract contract;
	enum fail kind;
	size_t count;

	fine(contract_list(&operation, customer_id, &page, &contracts, &count));
	if (count == 0 || contracts->subscription.ends_at.ms <= operation.now_ms ||
	    strcmp(contracts->subscription.status, "canceled") == 0) {
		input.plan = random / 4 % 2 == 0 ? "professional" : "starter";
		input.billing = "manual";
		input.starts_at = INSTANT_MS(operation.now_ms);
		input.ends_at = INSTANT_MS(operation.now_ms + (1 + random / 8 % 40) * DAY_MS);
		kind = contract_create(&operation, customer_id, &input, &contract);
	} else if (random / 4 % 2 == 0) {
		kind = contract_amend(&operation, customer_id, contracts->contract_id, &input,
		                      &contract);
	} else {
		kind = contract_end(&operation, customer_id, contracts->contract_id, &now,
		                    &contract);
	}
	ck_assert_msg(kind == FAIL_NONE || kind == FAIL_CONFLICT, "%s", task.failure.code);
	task_clear(&task);
	db_rollback_to(operation.db, 0);
}

/* Time passes, and the jobs run. */
static void
wait(int64_t ms)
{
	int64_t ended;

	operation.now_ms += ms;
	fine(contract_expire_run(&operation, &ended));
}

/* One random change of what the customer may have. */
static void
step(int64_t random)
{
	static const char *const plans[] = {"starter", "professional", "enterprise"};
	static const int64_t ends[] = {0, SECOND_MS, DAY_MS, 30 * DAY_MS};
	const char *features = arena_printf(
	        task.arena, "{\"maxDevices\": %lld%s}", (long long)(random / 16 % 4 * 20),
	        random / 64 % 2 == 0 ? "" : ", \"hasCustomBranding\": true");
	const char *limits = random / 128 % 3 == 0   ? "{}"
	                     : random / 128 % 3 == 1 ? "{\"maxUsers\": null}"
	                                             : "{\"maxUsers\": 7}";

	if (random % 8 == 0)
		pay(plans[random / 16 % 3]);
	else if (random % 8 == 1)
		wait(random / 16 % 3 == 0 ? SECOND_MS : random / 16 % 40 * DAY_MS);
	else if (random % 8 == 2)
		(void)set("{}", "{}", 0);
	else if (random % 8 == 3)
		buy(random / 16 % 9, random / 256 % 2 == 0 ? "{}" : "{\"extra\": 2}");
	else if (random % 8 <= 5)
		deal(random / 16);
	else
		(void)set(features, limits, ends[random / 512 % 4]);
}

/* Whether a licence that still counts grants more than the customer may have. */
static bool
is_excess(const struct issued_license *license, const struct entitlement_values *entitled)
{
	struct entitlement_values has;
	struct json_view claims, features, limits;
	const char *payload = NULL, *bad;

	if (license->expires_at.ms <= operation.now_ms ||
	    check(license->token, &payload) != LICENSE_VALID)
		return false;
	ck_assert(json_view_try(task.arena, payload, strlen(payload), &claims) &&
	          json_view_object(&claims, "features", &features) &&
	          json_view_object(&claims, "limits", &limits));
	ck_assert_ptr_null(values_read(&features, VALUE_FEATURE, &has.features, &bad));
	ck_assert_ptr_null(values_read(&limits, VALUE_LIMIT, &has.limits, &bad));
	return entitlements_are_more(&has, entitled);
}

/* Rows whose copy of the terms is another one than the table has. */
#define WRONG_COPIES                                                                           \
	"SELECT count(*) FROM customers c LEFT JOIN overrides o USING (customer_id) "          \
	"LEFT JOIN subscriptions s USING (customer_id) "                                       \
	"LEFT JOIN contracts k ON k.contract_id = s.contract_id "                              \
	"LEFT JOIN contract_versions v ON v.contract_id = k.contract_id "                      \
	"  AND v.version = k.version "                                                         \
	"WHERE (c.override_terms IS DISTINCT FROM CASE WHEN o.customer_id IS NOT NULL THEN "   \
	"    jsonb_build_object('features', o.features, 'limits', o.limits, 'ends_at', "       \
	"    (extract(epoch FROM o.expires_at) * 1000)::bigint) END "                          \
	"  OR s.contract_terms IS DISTINCT FROM CASE WHEN k.contract_id IS NOT NULL THEN "     \
	"    jsonb_build_object('features', v.features, 'limits', v.limits, 'overage', "       \
	"    v.overage, 'reference', v.reference) END) AND c.customer_id = "

START_TEST(test_no_sequence_leaves_excess)
{
	int steps = suite_is_slow() ? 20 : STEPS;
	struct issued_license *licenses =
	        arena_array(task.arena, TOKENS_MAX, sizeof(*licenses));
	uint64_t state = suite_seed("overrides") + (uint64_t)_i;

	sell_more();
	operation.batch = 10;
	pay("starter");
	for (int i = 0; i < steps; i++) {
		struct entitlement_basis basis = {0};
		struct entitlement_values entitled;

		state = state * 6364136223846793005u + 1442695040888963407u;
		step((int64_t)(state >> 33));
		fine(entitlement_basis_read(&operation, customer_id, &basis));
		entitlements_values(task.arena, &billing, &basis.subscription, &basis.terms,
		                    operation.now_ms, &entitled);
		for (int k = 0; k < i && k < TOKENS_MAX; k++)
			ck_assert_msg(!is_excess(&licenses[k], &entitled), "step %d", i);
		ck_assert_int_eq(count_of(WRONG_COPIES, ""), 0);
		/* The bound of an hour is another test's. */
		operation.now_ms += 2 * 60 * SECOND_MS;
		licenses[i % TOKENS_MAX] = issue();
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("overrides");
	TCase *tcase = fixture_case("overrides");

	tcase_add_test(tcase, test_reach_licence_and_limits);
	tcase_add_test(tcase, test_purchases);
	tcase_add_test(tcase, test_contract);
	tcase_add_test(tcase, test_contract_and_overrides);
	tcase_add_test(tcase, test_contract_after_a_trial);
	tcase_add_test(tcase, test_end_to_the_second);
	tcase_add_test(tcase, test_less_than_the_plan);
	tcase_add_test(tcase, test_another_end);
	tcase_add_test(tcase, test_smaller_plan_below);
	tcase_add_test(tcase, test_change_while_a_licence_is_issued);
	tcase_add_test(tcase, test_dry_run);
	tcase_add_test(tcase, test_bad_fields);
	tcase_add_test(tcase, test_audit_and_deletion);
	tcase_add_loop_test(tcase, test_no_sequence_leaves_excess, 0,
	                    getenv("FULL") != NULL ? MANY_SEQUENCES : SEQUENCES);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
