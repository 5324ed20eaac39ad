"""The cause by which each table grows, and its bound. A new table needs a line here, and a test at its bound."""

import re

from support.stack import ROOT

API, FAULTS, UNIT = "tests/api/", "tests/faults/", "tests/unit/"
A_RATE = "the rates of nginx/billing-locations.conf alone"

# For each table: who makes it grow, the bound, and a test at the bound.
TABLES = {
    "api_keys": ("a customer", "20 live keys, 100 made in a day",
                 API + "accounts/test_keys.py::test_keys_made_in_a_day_are_bounded"),
    "audit_backfill": ("nobody", "the row that a migration makes", None),
    "audit_chain": ("a customer", "a row for each entry of audit_log",
                    API + "accounts/test_audit.py::test_changes_by_a_customer_are_bounded"),
    "audit_counts": ("a customer", "one row, and one for each key that signs in; earlier days are deleted",
                     API + "accounts/test_audit.py::test_changes_by_a_customer_are_bounded"),
    "audit_log": ("a customer", "20000 changes and 500 payment requests a day; entries are never deleted",
                  API + "accounts/test_audit.py::test_changes_by_a_customer_are_bounded"),
    "audit_pending": ("a customer", "entries of audit_log of the last moments",
                      API + "accounts/test_audit.py::test_changes_by_a_customer_are_bounded"),
    "contract_versions": ("an operator", "a row for each amendment", None),
    "contracts": ("an operator", "a row for each deal", None),
    "customer_erasures": ("an operator", "a row for each deleted customer, until its events are erased",
                          UNIT + "accounts/test_erasure.c::test_many_events"),
    "customers": ("anybody, with PUBLIC_SIGNUP", "10 sign-ups a minute of one network, PUBLIC_SIGNUPS_PER_HOUR in all",
                  API + "accounts/test_sign_up.py::test_public_sign_up_and_its_rate_limit"),
    "event_clock": ("nobody", "one row", None),
    "event_sequences": ("a customer", "one row", UNIT + "events/test_log.c::test_written_with_the_commit"),
    "events": ("a customer", "a few for each change and each new instance, which have bounds; kept for EVENT_RETENTION_DAYS",
               UNIT + "events/test_retention.c::test_old_months_are_dropped"),
    "analytics_usage": ("the jobs", "a row for each metric and day", None),
    "analytics_usage_days": ("the jobs", "a row for each day", None),
    "event_keys": ("a customer", "a row for each end, limit and instance that was told, of instances twice "
                   "NEW_INSTANCES_PER_DAY", UNIT + "limits/test_watch.c::test_events_of_a_day"),
    "reminder_start": ("nobody", "the row that a migration makes", None),
    "reminders": ("a customer", "a row for each trial, contract and licence that has an end to come", None),
    "revenue_customers": ("a customer", "one row", None),
    "revenue_movements": ("a customer", "a row for each change of what it pays", None),
    "revenue_plans": ("the jobs", "a row for each plan and currency, once folded", None),
    "revenue_policy": ("nobody", "one row", None),
    "revenue_sums": ("the jobs", "a row for each month, currency and kind, once folded", None),
    "revenue_values": ("a customer", "one row for each currency", None),
    "session_links": ("an operator", "10 for each customer",
                      API + "accounts/test_sessions.py::test_a_customer_has_so_many_links"),
    "sessions": ("a caller", "20 live sessions of each key",
                 API + "accounts/test_sessions.py::test_a_key_has_so_many_sessions"),
    "usage_limit_levels": ("a customer", "one row for each limit", None),
    "usage_watch": ("a customer", "one row", None),
    "idempotency_counts": ("a caller", "one row; earlier days are deleted",
                           UNIT + "callers/test_idempotency.c::test_answers_of_an_account_are_bounded"),
    "idempotency_keys": ("a caller", "100000 answers and 64 MB of a day, kept for a day",
                         UNIT + "callers/test_idempotency.c::test_answers_of_an_account_are_bounded"),
    "instance_moves": ("a customer", "one row",
                       UNIT + "instances/test_instances.c::test_moves_are_bounded"),
    "instance_counts": ("a customer", "one row", UNIT + "usage/test_new_instances.c::test_of_a_day"),
    "instance_events": ("a customer", "one row", UNIT + "limits/test_watch.c::test_events_of_a_day"),
    "instance_pruning": ("nobody", "the row that a migration makes", None),
    "instances": ("a customer", "20000 activations a day, and NEW_INSTANCES_PER_DAY by reports; those of production are "
                  "deleted USAGE_RETENTION_DAYS after their lease",
                  UNIT + "usage/test_new_instances.c::test_of_a_batch"),
    "invoices": ("Stripe", "a row for each invoice of the account; a repetition updates it",
                 API + "sales/test_payment_bounds.py::test_rows_of_repeated_changes"),
    "license_requests": ("an operator", "a row for each request that is answered", None),
    "license_revocations": ("a customer", "8 named licences, more become one row in revoked_before",
                            FAULTS + "test_revocations.py::test_rotations_in_a_loop"),
    "licenses": ("a customer", "60 in an hour, 10 of them by rotation",
                 UNIT + "issuing/test_license_rights.c::test_licences_of_an_hour"),
    "meter_events": ("a customer", "what a day's metric differs by, once a round of the jobs",
                     API + "usage/test_meters.py::test_days_are_sent_once"),
    "notice_cursor": ("nobody", "one row", None),
    "notices": ("a customer", "a row for each event that has a notice, 10 a day are sent; kept for 90 days",
                API + "operations/test_notices.py::test_a_flood_is_bounded"),
    "overrides": ("an operator", "one row for each customer", None),
    "payment_reversals": ("Stripe", "a row for each refund and dispute of the account", None),
    "plan_terms": ("an operator", "32 versions of each plan and add-on of PLANS_FILE",
                   UNIT + "billing/test_plan_terms.c::test_terms_are_stored_once"),
    "revocation_lists": ("the jobs", "one row",
                         UNIT + "issuing/test_revocation_list.c::test_a_change_is_signed_once"),
    "revocation_restores": ("an operator", "a row for each restore of the database",
                            UNIT + "issuing/test_revocation_list.c::"
                            "test_a_restored_database_forgets_no_revocation"),
    "revoked_before": ("a customer", "one row",
                       UNIT + "issuing/test_revocation_list.c::"
                       "test_many_licences_of_a_customer_are_one_entry"),
    "schema_migrations": ("the project", "a row for each migration", None),
    "sign_up_counts": ("anybody, with PUBLIC_SIGNUP", "one row",
                       API + "accounts/test_sign_up.py::test_sign_ups_of_an_hour_are_bounded"),
    "signing_keys": ("an operator", "32 published keys",
                     API + "operations/test_signing_keys.py::test_published_keys_are_bounded"),
    "stripe_account": ("an operator", "one row", None),
    "stripe_calls": ("a customer", "500 payment requests a day, kept for 90 days",
                     API + "sales/test_payment_bounds.py::test_changes_of_a_day_are_bounded"),
    "stripe_events": ("Stripe", "its own events, each once; kept for 90 days",
                      API + "sync/test_webhooks.py::test_fifty_deliveries_of_one_event"),
    "stripe_prices": ("an operator", "a row for each price that is mapped by hand", None),
    "stripe_sweeps": ("nobody", "the rows that migrations make", None),
    "stripe_unknown_prices": ("Stripe", "a row for each subscription at such a price", None),
    "subscriptions": ("a customer", "one trial; others cost a payment at Stripe",
                      API + "sales/test_payment_bounds.py::test_rows_of_repeated_changes"),
    "trial_redemptions": ("anybody, with PUBLIC_SIGNUP", "10 sign-ups a minute of one network, PUBLIC_SIGNUPS_PER_HOUR in all",
                          API + "accounts/test_sign_up.py::test_public_sign_up_and_its_rate_limit"),
    "trial_skeletons": ("anybody, with PUBLIC_SIGNUP", "10 sign-ups a minute of one network, PUBLIC_SIGNUPS_PER_HOUR in all",
                        API + "accounts/test_sign_up.py::test_public_sign_up_and_its_rate_limit"),
    "usage_files": ("an operator", "a row for each imported file", None),
    "webhook_backlogs": ("a customer", "one row for each endpoint, until its events are copied",
                         UNIT + "webhooks/test_fairness.c::test_others_do_not_wait"),
    "webhook_deliveries": ("an operator", "1000 that wait and 10000 replayed of an endpoint, from the log; "
                           "kept for 30 days", UNIT + "webhooks/test_sender.c::test_an_end_in_the_middle"),
    "webhook_endpoints": ("an operator", "50", API + "operations/test_webhook_endpoints.py::"
                          "test_endpoints_are_bounded"),
    "webhook_keys": ("an operator", "a row for each key of webhooks", None),
    # 500 reports in a request. The raw reports are dropped after USAGE_RETENTION_DAYS, the sums stay.
    **{name: ("a customer", A_RATE, API + "accounts/test_sign_up.py::"
              "test_reports_have_a_rate_limit_for_each_key") for name in (
        "usage_backfill", "usage_daily", "usage_daily_metrics", "usage_days", "usage_fleet_instances",
        "usage_fleets", "usage_metric_sums", "usage_pending", "usage_report_ids", "usage_reports")},
}


def test_each_table_has_a_bound(stack):
    tables = stack.sql("SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition "
                       "AND relnamespace = 'public'::regnamespace").split()
    assert len(tables) > 20 and set(tables) <= set(TABLES)
    for table in tables:
        test = TABLES[table][2]
        if test is not None:
            path, name = test.split("::")
            text = (ROOT / path).read_text(encoding="utf-8")
            assert re.search(rf"^(def {name}\(|START_TEST\({name}\))", text, re.MULTILINE), test
