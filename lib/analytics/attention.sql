-- Rows that need an operator: of each kind the $2 oldest. $1 is the present time.

WITH found AS (
  (SELECT 'payment_failed' AS kind, s.customer_id, s.stripe_subscription_id AS subject,
     s.past_due_since AS since, s.status AS detail
   FROM subscriptions s WHERE NOT s.superseded AND s.status IN ('past_due', 'unpaid')
   ORDER BY s.past_due_since LIMIT $2::bigint)
  UNION ALL
  (SELECT 'contract_ending', s.customer_id, s.contract_id, s.ends_at, s.plan
   FROM subscriptions s WHERE s.contract_id IS NOT NULL AND s.status NOT IN ('canceled', 'incomplete_expired')
     AND s.ends_at > $1::timestamptz AND s.ends_at <= $1::timestamptz + interval '30 days'
   ORDER BY s.ends_at LIMIT $2::bigint)
  UNION ALL
  (SELECT 'unknown_price', u.customer_id, u.price_id, u.first_seen_at, u.status
   FROM stripe_unknown_prices u ORDER BY u.first_seen_at LIMIT $2::bigint)
  UNION ALL
  (SELECT 'uncounted', s.customer_id, s.stripe_subscription_id, s.created_at,
     (SELECT string_agg(r, ', ') FROM jsonb_array_elements_text(s.recurring::jsonb -> 'reasons') r)
   FROM subscriptions s WHERE NOT s.superseded AND s.status IN ('active', 'past_due')
     AND s.recurring LIKE '%"uncounted":%' ORDER BY s.created_at LIMIT $2::bigint)
  UNION ALL
  (SELECT 'event_parked', e.customer_id, e.event_id, e.received_at, e.error
   FROM stripe_events e WHERE e.state = 'parked' ORDER BY e.received_at LIMIT $2::bigint)
  UNION ALL
  (SELECT 'call_parked', k.customer_id, 'call:' || k.call_id, k.created_at, k.error
   FROM stripe_calls k WHERE k.state = 'parked' ORDER BY k.call_id LIMIT $2::bigint)
  UNION ALL
  (SELECT 'meter_event_parked', m.customer_id, m.meter_event_id, m.created_at, m.error
   FROM meter_events m WHERE m.state = 'parked' AND m.error IS DISTINCT FROM 'settled'
   ORDER BY m.created_at LIMIT $2::bigint)
  UNION ALL
  (SELECT 'endpoint_disabled', NULL::text, w.endpoint_id, w.disabled_at, w.disabled_reason
   FROM webhook_endpoints w WHERE w.state = 'disabled' AND w.disabled_reason <> 'operator'
   ORDER BY w.disabled_at LIMIT $2::bigint)
  UNION ALL
  (SELECT 'address_waits', p.customer_id, p.customer_id, p.updated_at, NULL::text
   FROM customers p WHERE p.deleted_at IS NULL AND p.pending_email IS NOT NULL
   ORDER BY p.created_at, p.customer_id LIMIT $2::bigint))

SELECT f.kind, f.customer_id, c.company_name, c.email, f.subject, f.since, f.detail
FROM found f LEFT JOIN customers c ON c.customer_id = f.customer_id
ORDER BY f.kind, f.since NULLS LAST, f.subject
