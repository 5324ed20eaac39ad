-- The operators' weekly digest: for each part how many, and the first 20 as lines of text.
--
-- $1 now

WITH moment AS (SELECT $1::timestamptz AS now),

live AS (
  SELECT s.customer_id, s.plan, s.status, s.contract_id IS NOT NULL AS is_contract,
    CASE WHEN s.contract_id IS NOT NULL THEN s.ends_at
         WHEN s.status = 'trialing' AND s.stripe_subscription_id IS NULL THEN s.trial_ends_at
         WHEN s.cancel_at_period_end THEN s.current_period_ends_at END AS ends_at
  FROM subscriptions s
  WHERE s.status NOT IN ('canceled', 'incomplete_expired', 'incomplete') AND NOT s.superseded),

found AS (
  SELECT 'new' AS part, c.customer_id, c.created_at AS at, NULL AS more
  FROM customers c, moment WHERE c.created_at >= now - interval '7 days' AND c.created_at <= now
  UNION ALL
  SELECT DISTINCT ON (s.customer_id) 'lost', s.customer_id, s.updated_at, s.plan
  FROM subscriptions s, moment
  WHERE s.status = 'canceled' AND s.updated_at >= now - interval '7 days'
    AND (s.stripe_subscription_id IS NOT NULL OR s.contract_id IS NOT NULL)
    AND NOT EXISTS (SELECT FROM live WHERE live.customer_id = s.customer_id)
  UNION ALL
  SELECT 'at_risk', customer_id, now, plan || ', ' || status
  FROM live, moment WHERE status IN ('past_due', 'unpaid', 'paused')
  UNION ALL
  SELECT 'expiring', customer_id, ends_at,
    plan || ', ' || CASE WHEN is_contract THEN 'contract' WHEN status = 'trialing' THEN 'trial'
                         ELSE 'cancelled' END
    || ', ' || to_char(ends_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')
  FROM live, moment WHERE ends_at BETWEEN now AND now + interval '30 days'
  UNION ALL
  SELECT DISTINCT 'over_limit', e.customer_id, now, NULL
  FROM events e, moment
  WHERE e.created_at >= now - interval '7 days' AND e.created_at <= now
    AND (e.type = 'instance.over_limit'
         OR e.type = 'usage.threshold' AND (e.data ->> 'threshold') = '100')),

named AS (
  SELECT f.part, f.at, concat_ws(', ', COALESCE(c.company_name, c.email), f.more) AS line,
    row_number() OVER (PARTITION BY f.part ORDER BY f.at, f.customer_id) AS place,
    count(*) OVER (PARTITION BY f.part) AS total
  FROM found f JOIN customers c USING (customer_id) WHERE c.deleted_at IS NULL),

counted AS (
  SELECT 'parked events of Stripe' AS name, count(*) AS total FROM stripe_events WHERE state = 'parked'
  UNION ALL
  SELECT 'parked calls of Stripe', count(*) FROM stripe_calls WHERE state = 'parked'
  UNION ALL
  SELECT 'parked meter events', count(*) FROM meter_events WHERE state = 'parked'
  UNION ALL
  SELECT 'subscriptions at a price that no plan has', count(DISTINCT stripe_subscription_id)
  FROM stripe_unknown_prices
  UNION ALL
  SELECT 'webhook endpoints that are disabled', count(*) FROM webhook_endpoints WHERE state = 'disabled'
  UNION ALL
  SELECT 'customers whose new address waits for you', count(*) FROM customers
  WHERE pending_email IS NOT NULL AND deleted_at IS NULL
  UNION ALL
  SELECT 'notices that were not sent in the last seven days', count(*) FROM notices, moment
  WHERE state IN ('refused', 'failed') AND finished_at >= now - interval '7 days')

SELECT part, max(total) AS total,
  string_agg(CASE WHEN place <= 20 THEN '  ' || line WHEN place = 21 THEN '  ...' END, E'\n'
             ORDER BY place) AS lines
FROM named GROUP BY part
UNION ALL
SELECT 'attention', count(*), string_agg('  ' || name || ': ' || total, E'\n' ORDER BY name)
FROM counted WHERE total > 0
