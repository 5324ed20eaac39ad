-- installation_005.sql: rows of an installation with the migrations 1 to 5, at least one in each table.
-- test_upgrade.py sets the variables: customers and keys that exist at the stand-in for Stripe and in
-- the test.
--
-- trial: a customer in its trial. paid: one with a subscription at Stripe. gone: a deleted one.

INSERT INTO customers (customer_id, email, company_name, stripe_customer_id, created_at, updated_at,
    deleted_at) VALUES
  (:'trial', :'trial_email', 'Straße & Söhne', NULL, now() - interval '3 days',
   now() - interval '3 days', NULL),
  (:'paid', :'paid_email', 'Acme Corp', :'stripe_customer', now() - interval '80 days',
   now() - interval '40 days', NULL),
  ('cust_00000000000000000000000000000005', NULL, NULL, NULL, now() - interval '200 days',
   now() - interval '90 days', now() - interval '90 days');

INSERT INTO subscriptions (customer_id, stripe_subscription_id, plan, status, trial_ends_at,
    current_period_ends_at, stripe_price_id, superseded, canceled_at, ended_at, seen_at, version) VALUES
  (:'trial', NULL, 'starter', 'trialing', now() + interval '11 days', NULL, NULL, false, NULL, NULL,
   NULL, 1),
  (:'paid', NULL, 'starter', 'canceled', now() - interval '66 days', NULL, NULL, true, NULL, NULL, NULL,
   2),
  (:'paid', :'stripe_subscription', 'professional', 'active', NULL,
   to_timestamp(:period_end::bigint), 'price_professional_month', false, NULL, NULL, now(), 4);

INSERT INTO api_keys (key_id, customer_id, role, name, digest, prefix, scopes, last_used_at,
    revoked_at) VALUES
  ('key_000000000000000000000001', NULL, 'owner', 'admin', sha256(:'admin_key'), 'gba_000001', '{}',
   now() - interval '1 day', NULL),
  ('key_000000000000000000000002', NULL, 'viewer', 'viewer', sha256(:'viewer_key'), 'gba_000002', '{}',
   NULL, NULL),
  ('key_000000000000000000000003', :'trial', 'customer', 'sign-up', sha256(:'trial_key'), 'cust_000003',
   '{license,usage,billing}', now() - interval '1 day', NULL),
  ('key_000000000000000000000004', :'paid', 'customer', 'sign-up', sha256(:'paid_key'), 'cust_000004',
   '{license,usage,billing}', now() - interval '1 day', NULL),
  ('key_000000000000000000000005', 'cust_00000000000000000000000000000005', 'customer', NULL,
   sha256('cust_00000000000000000000000000000005'), 'cust_000005', '{license}', NULL,
   now() - interval '90 days');

INSERT INTO licenses (jti, customer_id, kid, plan, reason, fingerprint, token, issued_at, expires_at,
    revoked_at, revoke_reason) VALUES
  ('lic_00000000000000000000000000000001', :'paid', :'kid', 'starter', 'sign_up', 'a', NULL,
   now() - interval '80 days', now() + interval '285 days', now() - interval '20 days', 'rotated'),
  (:'paid_jti', :'paid', :'kid', 'professional', 'changed', 'b', :'paid_license',
   now() - interval '1 hour', now() + interval '360 days', NULL, NULL),
  (:'trial_jti', :'trial', :'kid', 'starter', 'sign_up', 'c', :'trial_license',
   now() - interval '1 hour', now() + interval '360 days', NULL, NULL);

INSERT INTO trial_redemptions (email_digest, customer_id, redeemed_at) VALUES
  (trial_email_digest(:'trial_email'), :'trial', now() - interval '3 days'),
  (trial_email_digest(:'paid_email'), :'paid', now() - interval '80 days'),
  (trial_email_digest('gone@' || :'domain'), 'cust_00000000000000000000000000000005',
   now() - interval '200 days');

INSERT INTO idempotency_keys (digest, sealed, expires_at)
VALUES (sha256('a client''s key'), 'sealed', now() + interval '20 hours');

INSERT INTO audit_log (happened_at, actor, action, customer_id, subject, request_id, detail) VALUES
  (now() - interval '80 days', 'operator:key_000000000000000000000001', 'sign_up', :'paid',
   'key_000000000000000000000004', 'request-1', NULL),
  (now() - interval '90 days', 'operator:key_000000000000000000000001', 'customer_delete',
   'cust_00000000000000000000000000000005', NULL, 'request-2', NULL);

INSERT INTO stripe_events (event_id, type, livemode, api_version, happened_at, received_at, origin,
    family, subject, stripe_customer_id, customer_id, payload, state, attempts, next_try_at, error,
    finished_at) VALUES
  ('evt_done', 'customer.subscription.updated', false, '2025-03-31.basil', now() - interval '40 days',
   now() - interval '40 days', 'webhook', 'subscription', :'stripe_subscription', :'stripe_customer',
   :'paid', '{}', 'done', 1, NULL, NULL, now() - interval '40 days'),
  ('evt_ignored', 'plan.created', false, '2025-03-31.basil', now(), now(), 'webhook', NULL, NULL, NULL,
   NULL, NULL, 'ignored', 0, NULL, NULL, now()),
  ('evt_parked', 'checkout.session.completed', false, '2025-03-31.basil', now() - interval '2 days',
   now() - interval '2 days', 'webhook', 'subscription', 'sub_of_another', 'cus_of_another', NULL, '{}',
   'parked', 12, NULL, 'unknown_customer', now() - interval '1 day'),
  ('evt_pending', 'customer.subscription.updated', false, '2025-03-31.basil', now(), now(), 'webhook',
   'subscription', :'stripe_subscription', :'stripe_customer', NULL, '{}', 'pending', 0, now(), NULL,
   NULL);

INSERT INTO stripe_calls (kind, customer_id, subject, path, parameters, plan, idempotency_key, intent,
    request, state, attempts, created_at, finished_at, result_id, error) VALUES
  ('customer_create', :'paid', NULL, '/v1/customers', '', NULL, 'call-1', NULL, NULL, 'done', 1,
   now() - interval '80 days', now() - interval '80 days', :'stripe_customer', NULL),
  ('subscription_change', :'paid', :'stripe_subscription',
   '/v1/subscriptions/' || :'stripe_subscription', 'items[0][price]=price_professional_month',
   'professional', 'call-2', sha256('intent'), sha256('request'), 'done', 1, now() - interval '40 days',
   now() - interval '40 days', NULL, NULL),
  ('customer_update', :'paid', :'stripe_customer', '/v1/customers/' || :'stripe_customer', '', NULL,
   'call-3', NULL, NULL, 'parked', 12, now() - interval '3 days', now() - interval '2 days', NULL,
   'email_invalid');

INSERT INTO invoices (invoice_id, customer_id, stripe_subscription_id, number, status, billing_reason,
    amount_due, amount_paid, currency, created_at, fetched_at)
VALUES ('in_of_before', :'paid', :'stripe_subscription', 'ACME-0001', 'paid', 'subscription_create', 9900,
  9900, 'usd', now() - interval '40 days', now() - interval '40 days');

UPDATE stripe_sweeps SET since = now() - interval '1 day', finished_at = now() - interval '1 hour',
  complete_to = now() - interval '1 hour' WHERE name IN ('events', 'subscriptions');

-- Two reports of today and one of 20 days ago, which may be of the month before.
INSERT INTO usage_reports (usage_id, customer_id, instance_id, active_devices, total_devices, metrics,
    reported_at, received_at, report_id, corrects, reason, superseded_by)
SELECT n, :'paid', 'main', 3 + n, 10, jsonb_build_object('api_calls', 100 * n), moment, moment,
  'report-' || n, NULL, NULL, NULL
FROM (VALUES (1, now() - interval '20 days'), (2, now() - interval '2 minutes'),
  (3, now() - interval '1 minute')) AS sent (n, moment);
SELECT setval('usage_ids', 3);

INSERT INTO usage_report_ids (customer_id, report_id, usage_id, reported_at)
SELECT customer_id, report_id, usage_id, reported_at FROM usage_reports;

INSERT INTO usage_daily (customer_id, day, instance_id, reports, active_devices_max,
    active_devices_sum, total_devices_max, total_devices_sum)
SELECT customer_id, (reported_at AT TIME ZONE 'UTC')::date, instance_id, count(*), max(active_devices),
  sum(active_devices), max(total_devices), sum(total_devices) FROM usage_reports GROUP BY 1, 2, 3;

INSERT INTO usage_daily_metrics (customer_id, day, instance_id, metric, total, highest)
SELECT customer_id, (reported_at AT TIME ZONE 'UTC')::date, instance_id, 'api_calls',
  sum((metrics ->> 'api_calls')::bigint), max((metrics ->> 'api_calls')::bigint)
FROM usage_reports GROUP BY 1, 2, 3;

INSERT INTO instances (customer_id, instance_id, first_seen_at, last_seen_at, activated_at,
    lease_expires_at, latest_usage_id, latest_reported_at, active_devices, total_devices, metrics)
SELECT customer_id, instance_id, now() - interval '20 days', reported_at, now() - interval '20 days',
  reported_at + interval '3 days', usage_id, reported_at, active_devices, total_devices, metrics
FROM usage_reports WHERE usage_id = 3;

INSERT INTO usage_files (customer_id, instance_id, chain, file, digest, reports, imported_at)
VALUES (:'paid', 'island', 'chain-1', 1, sha256('file'), 2, now() - interval '5 days');

INSERT INTO meter_events (meter_event_id, customer_id, stripe_customer_id, day, metric, event_name, value,
    state, attempts, created_at, first_try_at, sent_at, error) VALUES
  ('mev_00000000000000000000000000000001', :'paid', :'stripe_customer', current_date - 20, 'api_calls',
   'calls', 100, 'sent', 1, now() - interval '19 days', now() - interval '19 days',
   now() - interval '19 days', NULL),
  ('mev_00000000000000000000000000000002', :'paid', :'stripe_customer', current_date - 30, 'api_calls',
   'calls', -20, 'parked', 0, now() - interval '29 days', NULL, NULL, 'too_late_to_correct');
