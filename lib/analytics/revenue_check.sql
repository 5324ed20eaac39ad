-- Each fault in what is booked ($1 is the present time): what is compared, of whom, what is booked, and
-- what it should be. A customer for whom something is due is left out until that is booked.

WITH due AS (SELECT customer_id FROM revenue_customers WHERE due_at <= $1::timestamptz),

present AS MATERIALIZED (
  SELECT s.customer_id, n.currency, n.mrr, n.committed, n.plan
  FROM (SELECT DISTINCT customer_id FROM subscriptions
    WHERE stripe_subscription_id IS NOT NULL OR contract_id IS NOT NULL) s
  CROSS JOIN LATERAL revenue_at(s.customer_id, $1::timestamptz) n),

chain AS (
  SELECT movement_id, customer_id, currency, mrr_before, mrr,
    COALESCE(lag(mrr) OVER w, 0) AS left_at, lead(mrr) OVER w IS NULL AS is_last
  FROM revenue_movements WINDOW w AS (PARTITION BY customer_id, currency ORDER BY movement_id)),

faults AS (
  SELECT 'value' AS what, COALESCE(v.customer_id, p.customer_id) AS customer_id,
    COALESCE(v.currency, p.currency) AS currency, v.mrr AS booked, COALESCE(p.mrr, 0) AS expected
  FROM (SELECT customer_id, currency, mrr FROM revenue_values WHERE mrr > 0) v
  FULL JOIN present p ON p.customer_id = v.customer_id AND p.currency = v.currency
  WHERE v.mrr IS DISTINCT FROM p.mrr
    AND COALESCE(v.customer_id, p.customer_id) NOT IN (SELECT customer_id FROM due)
  UNION ALL
  SELECT 'committed', v.customer_id, v.currency, v.committed, p.committed
  FROM revenue_values v JOIN present p ON p.customer_id = v.customer_id AND p.currency = v.currency
  WHERE v.committed <> p.committed AND v.customer_id NOT IN (SELECT customer_id FROM due)
  UNION ALL
  SELECT 'chain', customer_id, currency, mrr_before, left_at FROM chain WHERE mrr_before <> left_at
  UNION ALL
  SELECT 'movements', v.customer_id, v.currency, COALESCE(c.mrr, 0), v.mrr
  FROM revenue_values v LEFT JOIN chain c
    ON c.customer_id = v.customer_id AND c.currency = v.currency AND c.is_last
  WHERE COALESCE(c.mrr, 0) <> v.mrr
  UNION ALL
  SELECT 'sum of ' || COALESCE(s.kind, m.kind) || ' ' || to_char(COALESCE(s.month, m.month), 'YYYY-MM'),
    NULL, COALESCE(s.currency, m.currency), COALESCE(s.amount, 0), COALESCE(m.amount, 0)
  FROM (SELECT month, currency, kind, sum(amount) AS amount, sum(customers) AS customers
    FROM revenue_sums WHERE kind <> 'committed' GROUP BY month, currency, kind) s
  FULL JOIN (SELECT month, currency, kind, sum(amount) AS amount,
      sum((mrr > 0)::integer - (mrr_before > 0)::integer) AS customers
    FROM revenue_movements GROUP BY month, currency, kind) m
    ON m.month = s.month AND m.currency = s.currency AND m.kind = s.kind
  WHERE (COALESCE(s.amount, 0), COALESCE(s.customers, 0))
    <> (COALESCE(m.amount, 0), COALESCE(m.customers, 0))
  UNION ALL
  SELECT 'sum of committed', NULL, COALESCE(s.currency, v.currency), COALESCE(s.amount, 0),
    COALESCE(v.committed, 0)
  FROM (SELECT currency, sum(amount) AS amount FROM revenue_sums WHERE kind = 'committed'
    GROUP BY currency) s
  FULL JOIN (SELECT currency, sum(committed) AS committed FROM revenue_values GROUP BY currency) v
    ON v.currency = s.currency
  WHERE COALESCE(s.amount, 0) <> COALESCE(v.committed, 0)
  UNION ALL
  SELECT 'sum of the plan ' || COALESCE(s.plan, v.plan), NULL, COALESCE(s.currency, v.currency),
    COALESCE(s.mrr, 0), COALESCE(v.mrr, 0)
  FROM (SELECT plan, currency, sum(mrr) AS mrr, sum(customers) AS customers FROM revenue_plans
    GROUP BY plan, currency) s
  FULL JOIN (SELECT plan, currency, sum(mrr) AS mrr, count(*) FILTER (WHERE mrr > 0) AS customers
    FROM revenue_values GROUP BY plan, currency) v ON v.plan = s.plan AND v.currency = s.currency
  WHERE (COALESCE(s.mrr, 0), COALESCE(s.customers, 0)) <> (COALESCE(v.mrr, 0), COALESCE(v.customers, 0)))

SELECT what, customer_id, currency, trim_scale(booked)::text AS booked,
  trim_scale(expected)::text AS expected
FROM faults ORDER BY what, customer_id, currency LIMIT 10000
