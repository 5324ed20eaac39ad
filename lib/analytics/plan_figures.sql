-- MRR and customers by plan and currency, as they are now.

SELECT plan, currency, trim_scale(sum(mrr))::text AS mrr, trim_scale(sum(committed))::text AS committed,
  sum(customers)::bigint AS customers,
  trim_scale(round(sum(mrr) / NULLIF(sum(customers), 0), 6))::text AS arpu
FROM revenue_plans GROUP BY plan, currency ORDER BY currency, sum(revenue_plans.mrr) DESC, plan
