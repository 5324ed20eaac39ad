/* usage_fixture.h: a customer whose instances report, at a time of the tests' own. */
#pragma once

#include "support/billing_fixture.h"

#include "counting/fold.h"
#include "usage/report.h"
#include "usage/retention.h"

#define REPORTS "SELECT count(*) FROM usage_reports WHERE customer_id = "

/* Also made here, as the months around now are made by the migration alone. */
static inline void
usage_setup(void)
{
	int64_t made;

	fixture_setup();
	fine(usage_make_months(&operation, &made));
}

static inline struct usage_report
usage_sample(int64_t ago_ms, const char *report_id, int64_t devices)
{
	return (struct usage_report){.customer_id = customer_id,
	                             .instance_id = "plant-7",
	                             .active_devices = devices,
	                             .total_devices = devices,
	                             .metrics = "{\"api_calls\":5}",
	                             .reported_at = INSTANT_MS(operation.now_ms - ago_ms),
	                             .report_id = report_id};
}

/* Stores the report with the customer's own key; its id. */
static inline int64_t
usage_store(struct operation *by, struct usage_report *report, bool *created)
{
	const char *secret = signed_up.key.secret;
	struct sha256 digest = digest_sha256(secret, strlen(secret));
	struct usage_view view = {0};

	*created = false;
	if (usage_report(by, &digest, report, &view) != FAIL_NONE ||
	    usage_outcome(by, &view, report, created) != FAIL_NONE)
		return 0;
	return report->usage_id;
}

static inline int64_t
usage_send(int64_t ago_ms, const char *report_id, int64_t devices)
{
	struct usage_report report = usage_sample(ago_ms, report_id, devices);
	bool created;
	int64_t id = usage_store(&operation, &report, &created);

	ck_assert_msg(id > 0, "%s", task.failure.message);
	return id;
}

/* Adds all that is pending to the sums; how many reports that were. */
static inline int64_t
usage_fold_all(void)
{
	int64_t folded = 0, done;

	do {
		done = 0;
		ck_assert_msg(usage_fold_run(&operation, &done) == FAIL_NONE, "%s",
		              task.failure.message);
		db_rollback_to(operation.db, 0);
		folded += done;
	} while (done > 0);
	return folded;
}

static inline TCase *
usage_case(const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_set_timeout(tcase, 300);
	tcase_add_unchecked_fixture(tcase, fixture_make_keys, fixture_release_keys);
	tcase_add_checked_fixture(tcase, usage_setup, fixture_teardown);
	return tcase;
}
