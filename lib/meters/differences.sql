-- The days whose use differs from what was sent to Stripe's meters.
--
-- $1 the meters of plans.json  $2 first day  $3 last day  $4 at most
--
-- Reports that are still pending count in the next run. A day counts by the plan that it had. What
-- was sent for a day stays when its plan is unknown or has no such meter, and is too much when the
-- day no longer has the metric.
--
-- Use under a contract is not metered, so contracts are left out. The order of the others is that of
-- subscription_order() without the time: when a subscription of Stripe's is stored, all others that are no
-- contracts are superseded, and a trial of ours begins only where none is live. So no subscription that has
-- ended stands beside a live one that is not superseded.

WITH used AS (
  SELECT s.customer_id, s.starts_on AS day, s.metric, s.total, s.peak
  FROM usage_metric_sums s, usage_backfill b
  WHERE s.unit = 'day' AND s.starts_on BETWEEN $2::date AND $3::date AND s.parts > 0
    AND (b.done OR s.customer_id < b.customer_id)
  UNION ALL
  -- Customers whose earlier days are not yet summed.
  SELECT m.customer_id, m.day, m.metric, sum(m.total), sum(m.highest)
  FROM usage_daily_metrics m, usage_backfill b
  WHERE m.day BETWEEN $2::date AND $3::date AND NOT b.done AND m.customer_id >= b.customer_id
  GROUP BY 1, 2, 3),

worth AS (
  SELECT d.customer_id, c.stripe_customer_id, d.day, d.metric, m.event_name,
    sum(CASE WHEN m.level THEN d.peak ELSE d.total END) AS value
  FROM used d
  JOIN customers c ON c.customer_id = d.customer_id AND c.stripe_customer_id IS NOT NULL
    AND c.deleted_at IS NULL
  JOIN LATERAL (
    SELECT plan, status, stripe_subscription_id, created_at, plan_before, plan_before_from,
      COALESCE(plan_from, '-infinity') AS plan_from
    FROM subscriptions WHERE customer_id = d.customer_id AND contract_id IS NULL
    ORDER BY superseded, subscription_id DESC LIMIT 1) s
    ON s.stripe_subscription_id IS NOT NULL
    AND s.status IN ('active', 'trialing', 'past_due', 'unpaid')
    AND d.day >= (s.created_at AT TIME ZONE 'UTC')::date
  JOIN jsonb_to_recordset($1::jsonb) AS m (plan text, metric text, level boolean, event_name text)
    ON m.metric = d.metric AND m.plan = CASE
      WHEN d.day >= s.plan_from THEN s.plan
      WHEN d.day >= s.plan_before_from THEN s.plan_before END
  WHERE d.day BETWEEN $2::date AND $3::date
  GROUP BY 1, 2, 3, 4, 5),

sent AS (
  SELECT customer_id, max(stripe_customer_id) AS stripe_customer_id, day, metric, event_name,
    sum(value) AS value
  FROM meter_events
  WHERE day BETWEEN $2::date AND $3::date AND state IN ('pending', 'sent', 'parked')
  GROUP BY customer_id, day, metric, event_name),

both_sides AS (
  SELECT w.customer_id, w.stripe_customer_id, w.day, w.metric, w.event_name, w.value AS used,
    COALESCE(t.value, 0) AS sent
  FROM worth w LEFT JOIN sent t USING (customer_id, day, metric, event_name)
  UNION ALL
  SELECT t.customer_id, t.stripe_customer_id, t.day, t.metric, t.event_name, 0, t.value FROM sent t
  WHERE NOT EXISTS (
    SELECT FROM usage_daily_metrics d
    WHERE d.customer_id = t.customer_id AND d.day = t.day AND d.metric = t.metric))

SELECT customer_id, stripe_customer_id, day::text AS day, metric, event_name,
  used::text AS used, sent::text AS sent, used > sent AS more
FROM both_sides WHERE used <> sent
ORDER BY day, customer_id, metric LIMIT $4::bigint
