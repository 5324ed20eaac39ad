/* test_contracts.c: contracts count by their dates, without any job, and their licences say so. */
#include "support/billing_fixture.h"

#include <string.h>

#include "base/text.h"
#include "billing/access.h"
#include "contracts/contracts.h"
#include "outbox/enqueue.h"

static struct subscription subscription;
static struct issued_license license;

static struct contract_input
terms(const char *plan, int64_t starts_ms, int64_t ends_ms)
{
	return (struct contract_input){.plan = plan,
	                               .billing = CONTRACT_MANUAL,
	                               .starts_at = INSTANT_MS(NOW_MS + starts_ms),
	                               .ends_at = INSTANT_MS(NOW_MS + ends_ms)};
}

static struct contract
make(const char *plan, int64_t starts_ms, int64_t ends_ms)
{
	const struct contract_input input = terms(plan, starts_ms, ends_ms);
	struct contract out;

	fine(contract_create(&operation, customer_id, &input, &out));
	return out;
}

/* The subscription that counts so many milliseconds after NOW_MS: "plan status access". */
static const char *
state_at(int64_t ms)
{
	operation.now_ms = NOW_MS + ms;
	fine(subscription_find(&operation, customer_id, &subscription));
	return arena_printf(task.arena, "%s %s %s", subscription.plan,
	                    access_status(&subscription, operation.now_ms),
	                    access_granted(&subscription, &billing.policy, operation.now_ms)
	                            ? "yes"
	                            : "no");
}

/* A licence is issued at that moment too, and its end is as wanted. */
static void
license_ends(int64_t now_ms, int64_t ends_ms)
{
	operation.now_ms = NOW_MS + now_ms;
	fine(license_current(&operation, customer_id, &license, &subscription));
	ck_assert_int_eq(license.expires_at.ms / SECOND_MS, (NOW_MS + ends_ms) / SECOND_MS);
}

static int64_t
live_rows(void)
{
	return count_of("SELECT count(*) FROM subscriptions WHERE status NOT IN ('canceled', "
	                "'incomplete_expired') AND customer_id = ",
	                "");
}

#define STARTS (5 * DAY_MS)
#define ENDS (100 * DAY_MS)
#define GRACE (7 * DAY_MS)

START_TEST(test_a_contract_counts_from_its_start_to_its_end)
{
	(void)make("enterprise", STARTS, ENDS);
	ck_assert_str_eq(state_at(0), "starter trialing yes");
	ck_assert_str_eq(state_at(STARTS - SECOND_MS), "starter trialing yes");
	license_ends(STARTS - SECOND_MS, STARTS);
	ck_assert_str_eq(state_at(STARTS - 1), "starter trialing yes");
	ck_assert_str_eq(state_at(STARTS), "enterprise active yes");
	ck_assert_str_eq(state_at(STARTS + SECOND_MS), "enterprise active yes");
	license_ends(STARTS + SECOND_MS, ENDS + GRACE);
	ck_assert(says(&license, "\"plan\":\"enterprise\""));
	ck_assert(says(&license, "\"isTrialMode\":false"));
	ck_assert(subscription_is_contract(&subscription));
	ck_assert_str_eq(state_at(ENDS - SECOND_MS), "enterprise active yes");
	license_ends(ENDS - SECOND_MS, ENDS + GRACE);
	ck_assert_str_eq(state_at(ENDS - 1), "enterprise active yes");
	ck_assert_str_eq(state_at(ENDS), "enterprise canceled no");
	ck_assert_str_eq(state_at(ENDS + SECOND_MS), "enterprise canceled no");
	license_ends(ENDS + SECOND_MS, ENDS + SECOND_MS + DAY_MS);
	ck_assert(says(&license, "\"status\":\"canceled\""));
}
END_TEST

START_TEST(test_a_following_contract_renews_without_a_gap)
{
	(void)make("enterprise", 0, ENDS);
	(void)make("professional", ENDS, 2 * ENDS);
	ck_assert_str_eq(state_at(0), "enterprise active yes");
	ck_assert_str_eq(state_at(ENDS - 1), "enterprise active yes");
	ck_assert_str_eq(state_at(ENDS), "professional active yes");
	license_ends(ENDS, 2 * ENDS + GRACE);
	ck_assert(says(&license, "\"plan\":\"professional\""));
	ck_assert_str_eq(state_at(2 * ENDS - 1), "professional active yes");
	ck_assert_str_eq(state_at(2 * ENDS), "professional canceled no");
}
END_TEST

/* The job records what the dates have said before, and revokes licences that grant too much. */
START_TEST(test_the_job_records_the_end)
{
	struct issued_license first;
	int64_t ended;

	(void)make("enterprise", 0, ENDS);
	(void)make("professional", ENDS, 2 * ENDS);
	license_ends(0, ENDS + GRACE);
	first = license;
	operation.now_ms = NOW_MS + ENDS - 1;
	operation.batch = 100;
	fine(contract_expire_run(&operation, &ended));
	ck_assert_int_eq(live_rows(), 2);
	operation.now_ms = NOW_MS + ENDS;
	fine(contract_expire_run(&operation, &ended));
	ck_assert_int_ge(ended, 1);
	ck_assert_int_eq(live_rows(), 1);
	fine(contract_expire_run(&operation, &ended));
	ck_assert_int_eq(ended, 0);
	ck_assert_int_eq(check(first.token, &(const char *){NULL}), LICENSE_REVOKED);
	ck_assert_str_eq(state_at(ENDS), "professional active yes");
	ck_assert_int_eq(live_rows(), 1);
}
END_TEST

START_TEST(test_a_running_trial_becomes_a_contract)
{
	struct contract contract;
	const struct contract_end now = {.reason = "a test"};

	contract = make("enterprise", 0, ENDS);
	ck_assert_int_eq(live_rows(), 1);
	ck_assert_str_eq(state_at(0), "enterprise active yes");
	operation.now_ms = NOW_MS + DAY_MS;
	fine(contract_end(&operation, customer_id, contract.contract_id, &now, &contract));
	ck_assert_str_eq(contract.end_reason, "a test");
	/* The trial does not come back. */
	ck_assert_str_eq(state_at(DAY_MS), "enterprise canceled no");
	refused(contract_end(&operation, customer_id, contract.contract_id, &now, &contract),
	        FAIL_CONFLICT, "contract_ended");
	/* From the end on another one may count. */
	(void)make("starter", DAY_MS, ENDS);
	ck_assert_str_eq(state_at(DAY_MS), "starter active yes");
}
END_TEST

/* A contract that never began gives the trial its days back. */
START_TEST(test_a_contract_that_did_not_begin)
{
	struct contract contract = make("enterprise", STARTS, ENDS);
	const struct contract_end now = {.reason = NULL};
	struct contract_input later = {.version = 1,
	                               .starts_at = INSTANT_MS(NOW_MS + 2 * STARTS)};

	fine(contract_amend(&operation, customer_id, contract.contract_id, &later, &contract));
	ck_assert_str_eq(state_at(2 * STARTS - 1), "starter trialing yes");
	ck_assert_str_eq(state_at(2 * STARTS), "enterprise active yes");
	operation.now_ms = NOW_MS;
	fine(contract_end(&operation, customer_id, contract.contract_id, &now, &contract));
	ck_assert_str_eq(state_at(14 * DAY_MS - 1), "starter trialing yes");
	ck_assert_str_eq(state_at(14 * DAY_MS), "starter canceled no");
}
END_TEST

/* Whether a contract with these days collides with one from day 10 to day 20. */
static const struct {
	int64_t starts, ends;
	bool overlaps;
} spans[] = {
        {0, 10, false}, {0, 11, true},  {12, 18, true},  {10, 20, true},
        {9, 21, true},  {19, 30, true}, {20, 30, false}, {21, 30, false},
};

START_TEST(test_overlaps)
{
	const struct contract_input input =
	        terms("professional", spans[_i].starts * DAY_MS, spans[_i].ends * DAY_MS);
	struct contract contract;

	(void)make("enterprise", 10 * DAY_MS, 20 * DAY_MS);
	if (spans[_i].overlaps)
		refused(contract_create(&operation, customer_id, &input, &contract),
		        FAIL_CONFLICT, "contract_overlaps");
	else
		fine(contract_create(&operation, customer_id, &input, &contract));
}
END_TEST

START_TEST(test_amendments_are_versions)
{
	struct contract contract = make("professional", 0, ENDS);
	const struct contract_version *versions;
	struct contract_input input = {
	        .version = 1, .plan = "enterprise", .reference = {true, "PO 7"}};
	size_t count;

	fine(contract_amend(&operation, customer_id, contract.contract_id, &input, &contract));
	ck_assert_int_eq(contract.version, 2);
	ck_assert_str_eq(state_at(0), "enterprise active yes");
	/* Another operator saw the first version only. */
	refused(contract_amend(&operation, customer_id, contract.contract_id, &input,
	                       &contract),
	        FAIL_CONFLICT, "version_conflict");
	input.version = 2;
	refused(contract_amend(&operation, customer_id, contract.contract_id, &input,
	                       &contract),
	        FAIL_CONFLICT, "nothing_to_change");
	fine(contract_versions(&operation, contract.contract_id, &versions, &count));
	ck_assert_uint_eq(count, 2);
	ck_assert_str_eq(versions[0].terms.plan, "professional");
	ck_assert_ptr_null(versions[0].terms.reference);
	ck_assert_str_eq(versions[1].terms.reference, "PO 7");
	ck_assert_str_eq(versions[1].created_by, "system:test");
}
END_TEST

#define HAS_TEXTS                                                                              \
	"SELECT count(*) FROM contracts JOIN contract_versions USING (contract_id) "           \
	"WHERE COALESCE(end_reason, note, reference) IS NOT NULL AND customer_id = "
#define COPIES_TEXTS                                                                           \
	"SELECT count(*) FROM subscriptions WHERE contract_terms ->> 'reference' IS NOT NULL " \
	"AND customer_id = "
#define AUDITS_TEXTS                                                                           \
	"SELECT count(*) FROM audit_log WHERE concat(detail, value_before, value_after) "      \
	"~ 'Jane' AND customer_id = "

static struct contract_figures
figures(void)
{
	struct contract_figures out;

	fine(contract_figures(&operation, &out));
	return out;
}

START_TEST(test_figures)
{
	struct contract contract = make("professional", 0, 40 * DAY_MS);

	/* Contracts of other tests do not count. */
	change("DELETE FROM stripe_calls WHERE customer_id <> ", "");
	change("UPDATE subscriptions SET status = 'canceled' WHERE contract_id IS NOT NULL "
	       "AND customer_id <> ",
	       "");
	(void)make("enterprise", 40 * DAY_MS, 80 * DAY_MS);
	ck_assert_int_eq(figures().running, 1);
	ck_assert_int_eq(figures().ending, 0);
	operation.now_ms = NOW_MS + 10 * DAY_MS;
	ck_assert_int_eq(figures().ending, 1);
	fine(stripe_contract_enqueue(&operation, customer_id, contract.contract_id));
	change("UPDATE stripe_calls SET state = 'parked', next_try_at = NULL "
	       "WHERE customer_id = ",
	       "");
	ck_assert_int_eq(figures().parked, 1);
	ck_assert_str_eq(figures().parked_one, contract.contract_id);
	change(arena_printf(task.arena,
	                    "UPDATE subscriptions SET stripe_subscription_id = 'sub_figures' "
	                    "WHERE contract_id = '%s' AND customer_id = ",
	                    contract.contract_id),
	       "");
	operation.now_ms = NOW_MS + 40 * DAY_MS + 60 * 60 * SECOND_MS;
	ck_assert_int_eq(figures().overdue, 0);
	ck_assert_int_eq(figures().running, 1);
	operation.now_ms += 60 * 60 * SECOND_MS;
	ck_assert_int_eq(figures().overdue, 1);
	ck_assert_str_eq(figures().overdue_one, contract.contract_id);
}
END_TEST

/* Texts that may name people are in the contract alone, and go with the customer. */
START_TEST(test_texts_go_with_the_customer)
{
	const struct contract_input input = {.reference = {true, "PO of Jane"},
	                                     .note = {true, "Jane asked"}};
	const struct contract_end later = {.at = INSTANT_MS(NOW_MS + 10 * DAY_MS),
	                                   .reason = "Jane moves"};
	struct contract contract = make("professional", 0, ENDS);

	fine(contract_amend(&operation, customer_id, contract.contract_id, &input, &contract));
	fine(contract_end(&operation, customer_id, contract.contract_id, &later, &contract));
	ck_assert_int_eq(count_of(HAS_TEXTS, ""), 3);
	ck_assert_int_eq(count_of(COPIES_TEXTS, ""), 1);
	ck_assert_int_eq(count_of(AUDITS_TEXTS, ""), 0);
	fine(account_delete(&operation, customer_id));
	ck_assert_int_eq(count_of(HAS_TEXTS, ""), 0);
	ck_assert_int_eq(count_of(COPIES_TEXTS, ""), 0);
}
END_TEST

START_TEST(test_an_end_that_is_set)
{
	struct contract contract = make("enterprise", 0, ENDS);
	const struct contract_end end = {.at = INSTANT_MS(NOW_MS + 10 * DAY_MS)};
	const struct contract_input shorter = {.version = 2,
	                                       .ends_at = INSTANT_MS(NOW_MS + 5 * DAY_MS)},
	                            longer = {.version = 3,
	                                      .ends_at = INSTANT_MS(NOW_MS + ENDS)};
	struct instant ends_at;

	refused(contract_must_end(&operation, customer_id, &ends_at), FAIL_CONFLICT,
	        "contract_exists");
	fine(contract_end(&operation, customer_id, contract.contract_id, &end, &contract));
	fine(contract_must_end(&operation, customer_id, &ends_at));
	ck_assert_int_eq(ends_at.ms, end.at.ms);
	license_ends(0, 10 * DAY_MS + GRACE);
	ck_assert_str_eq(state_at(10 * DAY_MS - 1), "enterprise active yes");
	ck_assert_str_eq(state_at(10 * DAY_MS), "enterprise canceled no");
	operation.now_ms = NOW_MS;
	fine(contract_amend(&operation, customer_id, contract.contract_id, &shorter,
	                    &contract));
	ck_assert(contract.end_set_at.known);
	fine(contract_must_end(&operation, customer_id, &ends_at));
	ck_assert_int_eq(ends_at.ms, shorter.ends_at.ms);
	fine(contract_amend(&operation, customer_id, contract.contract_id, &longer, &contract));
	ck_assert(!contract.end_set_at.known);
	refused(contract_must_end(&operation, customer_id, &ends_at), FAIL_CONFLICT,
	        "contract_exists");
}
END_TEST

/* A page for a subscription after an end that counts no more, or another one, is closed; other amendments
 * close none. */
START_TEST(test_pages_of_an_end_that_is_taken_back)
{
	static const char closes[] = "SELECT count(*) FROM stripe_calls WHERE kind = "
	                             "'checkout_close' AND customer_id = ";
	const struct contract_end end = {.at = INSTANT_MS(NOW_MS + 10 * DAY_MS)};
	struct contract_input input = {.version = 2, .note = {true, "x"}};
	struct contract contract;

	fine(customer_link_stripe(&operation, customer_id, "cus_1"));
	contract = make("enterprise", 0, ENDS);
	fine(contract_end(&operation, customer_id, contract.contract_id, &end, &contract));
	fine(contract_amend(&operation, customer_id, contract.contract_id, &input, &contract));
	ck_assert_int_eq(count_of(closes, ""), 1);
	input = (struct contract_input){.version = 3,
	                                .ends_at = INSTANT_MS(NOW_MS + 5 * DAY_MS)};
	fine(contract_amend(&operation, customer_id, contract.contract_id, &input, &contract));
	ck_assert_int_eq(count_of(closes, ""), 2);
	input = (struct contract_input){.version = 4, .ends_at = INSTANT_MS(NOW_MS + ENDS)};
	fine(contract_amend(&operation, customer_id, contract.contract_id, &input, &contract));
	ck_assert_int_eq(count_of(closes, ""), 3);
}
END_TEST

/* Whatever cancels a contract frees its time for another one. */
START_TEST(test_a_revoked_contract)
{
	(void)make("enterprise", 0, ENDS);
	(void)make("enterprise", ENDS, 2 * ENDS);
	operation.now_ms = NOW_MS + 1;
	fine(account_revoke_licenses(&operation, customer_id, "a test"));
	ck_assert_str_eq(state_at(1), "enterprise canceled no");
	ck_assert_str_eq(state_at(ENDS), "enterprise canceled no");
	operation.now_ms = NOW_MS + 1;
	(void)make("professional", 1, 2 * ENDS);
	ck_assert_str_eq(state_at(1), "professional active yes");
}
END_TEST

/* At the bounds nothing more is made, and an end is still possible. */
START_TEST(test_bounds)
{
	struct contract contract = make("enterprise", 0, DAY_MS), more;
	struct contract_input input = terms("starter", 0, 0);
	const struct contract_end now = {.reason = NULL};

	for (int64_t version = 1; version < CONTRACT_VERSIONS_MAX; version++) {
		input = (struct contract_input){.version = version,
		                                .plan = version % 2 == 1 ? "starter"
		                                                         : "enterprise"};
		fine(contract_amend(&operation, customer_id, contract.contract_id, &input,
		                    &contract));
	}
	input = (struct contract_input){.version = CONTRACT_VERSIONS_MAX, .note = {true, "x"}};
	refused(contract_amend(&operation, customer_id, contract.contract_id, &input, &more),
	        FAIL_CONFLICT, "too_many_versions");
	for (int64_t i = 1; i < CONTRACTS_MAX; i++)
		(void)make("starter", i * DAY_MS, (i + 1) * DAY_MS);
	input = terms("starter", 300 * DAY_MS, 301 * DAY_MS);
	refused(contract_create(&operation, customer_id, &input, &more), FAIL_CONFLICT,
	        "too_many_contracts");
	fine(contract_end(&operation, customer_id, contract.contract_id, &now, &contract));
}
END_TEST

/* Bad terms, each with the field that it names. */
static const struct {
	struct contract_input input;
	const char *field;
} faults[] = {
        {{.plan = "nothing"}, "plan"},
        {{.ends_at = {true, NOW_MS}}, "ends_at"},
        {{.ends_at = {true, NOW_MS - 1}}, "ends_at"},
        {{.ends_at = {true, NOW_MS + 8000 * DAY_MS}}, "ends_at"},
        {{.starts_at = {true, NOW_MS - 400 * DAY_MS}}, "starts_at"},
        {{.starts_at = {true, NOW_MS + 400 * DAY_MS}, .ends_at = {true, NOW_MS + 500 * DAY_MS}},
         "starts_at"},
        {{.days_until_due = 30}, "days_until_due"},
        {{.billing = CONTRACT_STRIPE}, "price"},
};

START_TEST(test_faults)
{
	struct contract_input input = faults[_i].input;
	struct contract contract;

	input.billing = input.billing == NULL ? CONTRACT_MANUAL : input.billing;
	input.plan = input.plan == NULL ? "enterprise" : input.plan;
	if (!input.ends_at.known)
		input.ends_at = INSTANT_MS(NOW_MS + ENDS);
	ck_assert_int_eq(contract_create(&operation, customer_id, &input, &contract),
	                 FAIL_INVALID);
	ck_assert_uint_eq(task.failure.field_count, 1);
	ck_assert_str_eq(task.failure.fields->field, faults[_i].field);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("contracts");
	TCase *tcase = fixture_case("contracts");

	tcase_add_test(tcase, test_a_contract_counts_from_its_start_to_its_end);
	tcase_add_test(tcase, test_a_following_contract_renews_without_a_gap);
	tcase_add_test(tcase, test_the_job_records_the_end);
	tcase_add_test(tcase, test_a_running_trial_becomes_a_contract);
	tcase_add_test(tcase, test_a_contract_that_did_not_begin);
	tcase_add_loop_test(tcase, test_overlaps, 0, ROWS(spans));
	tcase_add_test(tcase, test_amendments_are_versions);
	tcase_add_test(tcase, test_an_end_that_is_set);
	tcase_add_test(tcase, test_figures);
	tcase_add_test(tcase, test_texts_go_with_the_customer);
	tcase_add_test(tcase, test_pages_of_an_end_that_is_taken_back);
	tcase_add_test(tcase, test_a_revoked_contract);
	tcase_add_test(tcase, test_bounds);
	tcase_add_loop_test(tcase, test_faults, 0, ROWS(faults));
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
