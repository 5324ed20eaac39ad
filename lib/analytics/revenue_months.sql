-- The months from $1 to $2 (their first days), of one currency ($3) or of all, each with what it began
-- with, the movements by kind, and what it ended with. $4 is the present time: a month's numbers are final
-- when all that was due an hour after its end is booked: a customer whose access ended in the month's last
-- hour and is back within an hour never left, so the month waits for that hour.

WITH sums AS MATERIALIZED (
  SELECT month, currency, kind, sum(amount) AS amount, sum(customers)::bigint AS customers
  FROM revenue_sums WHERE month <= $2::date AND ($3::text IS NULL OR currency = $3)
  GROUP BY month, currency, kind),

before AS (
  SELECT currency, COALESCE(sum(amount) FILTER (WHERE kind <> 'committed'), 0) AS mrr,
    COALESCE(sum(amount) FILTER (WHERE kind = 'committed'), 0) AS committed,
    COALESCE(sum(customers), 0)::bigint AS customers
  FROM sums WHERE month < $1::date GROUP BY currency),

-- A row without an amount for each month and currency: no month is missing.
rows AS (
  SELECT month, currency, kind, amount, customers FROM sums WHERE month >= $1::date
  UNION ALL
  SELECT m.month::date, c.currency, 'none', 0, 0
  FROM generate_series($1::date, $2::date, interval '1 month') m (month)
  CROSS JOIN (SELECT DISTINCT currency FROM sums) c),

months AS (
  SELECT s.month, s.currency,
    COALESCE(sum(s.amount) FILTER (WHERE s.kind = 'opening'), 0) AS opening,
    COALESCE(sum(s.customers) FILTER (WHERE s.kind = 'opening'), 0)::bigint AS customers_opening,
    COALESCE(sum(s.amount) FILTER (WHERE s.kind = 'new'), 0) AS new,
    COALESCE(sum(s.amount) FILTER (WHERE s.kind = 'expansion'), 0) AS expansion,
    COALESCE(-sum(s.amount) FILTER (WHERE s.kind = 'contraction'), 0) AS contraction,
    COALESCE(-sum(s.amount) FILTER (WHERE s.kind = 'churn'), 0) AS churn,
    COALESCE(sum(s.amount) FILTER (WHERE s.kind = 'reactivation'), 0) AS reactivation,
    COALESCE(sum(s.amount) FILTER (WHERE s.kind <> 'committed'), 0) AS change,
    COALESCE(sum(s.amount) FILTER (WHERE s.kind = 'committed'), 0) AS committed,
    COALESCE(sum(s.customers), 0)::bigint AS customers
  FROM rows s GROUP BY s.month, s.currency),

run AS (
  SELECT m.month, m.currency, m.opening, m.customers_opening, m.new, m.expansion, m.contraction, m.churn,
    m.reactivation, m.change, m.customers,
    COALESCE(b.mrr, 0) + sum(m.change) OVER w AS mrr,
    COALESCE(b.committed, 0) + sum(m.committed) OVER w AS committed_end,
    (COALESCE(b.customers, 0) + sum(m.customers) OVER w)::bigint AS customers_end
  FROM months m LEFT JOIN before b ON b.currency = m.currency
  WINDOW w AS (PARTITION BY m.currency ORDER BY m.month))

SELECT to_char(month, 'YYYY-MM') AS month, currency, trim_scale(mrr - change + opening)::text AS start,
  trim_scale(opening)::text AS opening, trim_scale(new)::text AS new,
  trim_scale(expansion)::text AS expansion, trim_scale(contraction)::text AS contraction,
  trim_scale(churn)::text AS churn, trim_scale(reactivation)::text AS reactivation,
  trim_scale(mrr)::text AS "end", trim_scale(committed_end)::text AS committed,
  round((new + expansion + reactivation) / NULLIF(contraction + churn, 0), 2)::text AS quick_ratio,
  customers_end - customers + customers_opening AS customers_start, customers_end,
  trim_scale(round(mrr / NULLIF(customers_end, 0), 6))::text AS arpu,
  month + interval '1 month' + interval '1 hour' <= $4::timestamptz AT TIME ZONE 'UTC'
    AND COALESCE((SELECT month + interval '1 month' + interval '1 hour'
      <= settled_at AT TIME ZONE 'UTC' FROM revenue_policy), false) AS final
FROM run ORDER BY currency, month
