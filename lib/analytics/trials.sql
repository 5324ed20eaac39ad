-- Trials by the week (from Monday, UTC) in which they began, from the day $1 to the day $2; $3 is the
-- present time. A trial at Stripe that follows one of ours is part of it.

WITH trials AS (
  SELECT date_trunc('week', s.created_at AT TIME ZONE 'UTC')::date AS week,
    v.customer_id IS NOT NULL AS converted,
    s.status NOT IN ('canceled', 'incomplete_expired') AND s.trial_ends_at > $3::timestamptz AS runs
  FROM subscriptions s
  LEFT JOIN LATERAL (SELECT customer_id FROM revenue_values
    WHERE customer_id = s.customer_id LIMIT 1) v ON true
  WHERE s.trial_ends_at IS NOT NULL AND s.contract_id IS NULL
    AND s.created_at >= date_trunc('week', $1::timestamp) AT TIME ZONE 'UTC'
    AND s.created_at < ($2::date + 1)::timestamp AT TIME ZONE 'UTC'
    AND (s.stripe_subscription_id IS NULL OR NOT EXISTS (SELECT FROM subscriptions e
      WHERE e.customer_id = s.customer_id AND e.subscription_id < s.subscription_id
      AND e.trial_ends_at IS NOT NULL AND e.contract_id IS NULL)))

SELECT to_char(w.week, 'YYYY-MM-DD') AS week, count(t.week) AS started,
  count(*) FILTER (WHERE t.converted) AS converted,
  count(*) FILTER (WHERE NOT t.converted AND NOT t.runs) AS expired,
  count(*) FILTER (WHERE NOT t.converted AND t.runs) AS open,
  round(count(*) FILTER (WHERE t.converted)::numeric
    / NULLIF(count(*) FILTER (WHERE t.converted OR NOT t.runs), 0), 4)::text AS conversion
FROM generate_series(date_trunc('week', $1::timestamp), $2::timestamp, interval '1 week') w (week)
LEFT JOIN trials t ON t.week = w.week::date
GROUP BY w.week ORDER BY w.week
