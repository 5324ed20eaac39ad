-- Trials by the week (from Monday, UTC) in which they began, from the day $1 to the day $2; $3 is the
-- present time. A trial at Stripe that follows one of ours is part of it. MRR that
-- had ended before the trial is none of it. They are counted by weeks before
-- the weeks without any are added.

WITH trials AS (
  SELECT s.created_at,
    v.customer_id IS NOT NULL AS converted,
    s.status NOT IN ('canceled', 'incomplete_expired') AND s.trial_ends_at > $3::timestamptz AS runs
  FROM subscriptions s
  LEFT JOIN LATERAL (SELECT customer_id FROM revenue_values
    WHERE customer_id = s.customer_id AND (mrr > 0 OR changed_at >= s.created_at) LIMIT 1) v ON true
  WHERE s.trial_ends_at IS NOT NULL AND s.contract_id IS NULL
    AND s.created_at >= date_trunc('week', $1::timestamp) AT TIME ZONE 'UTC'
    AND s.created_at < ($2::date + 1)::timestamp AT TIME ZONE 'UTC'
    AND (s.stripe_subscription_id IS NULL OR NOT EXISTS (SELECT FROM subscriptions e
      WHERE e.customer_id = s.customer_id AND e.subscription_id < s.subscription_id
      AND e.trial_ends_at IS NOT NULL AND e.contract_id IS NULL))),

weeks AS (
  SELECT date_trunc('week', created_at AT TIME ZONE 'UTC')::date AS week, count(*) AS started,
    count(*) FILTER (WHERE converted) AS converted,
    count(*) FILTER (WHERE NOT converted AND NOT runs) AS expired,
    count(*) FILTER (WHERE NOT converted AND runs) AS open
  FROM trials GROUP BY 1)

SELECT to_char(w.week, 'YYYY-MM-DD') AS week, COALESCE(t.started, 0) AS started,
  COALESCE(t.converted, 0) AS converted, COALESCE(t.expired, 0) AS expired, COALESCE(t.open, 0) AS open,
  round(t.converted::numeric / NULLIF(t.converted + t.expired, 0), 4)::text AS conversion
FROM generate_series(date_trunc('week', $1::timestamp), $2::timestamp, interval '1 week') w (week)
LEFT JOIN weeks t ON t.week = w.week::date
ORDER BY w.week
