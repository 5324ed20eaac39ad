-- Makes the rows for the sums of some further days older than migration 022, which are counted next.
-- NULL: there are no further days.
--
-- $1 at most so many days, where a day of a customer with many instances is as many as it is work

WITH RECURSIVE next AS (
  SELECT customer_id, day FROM usage_backfill
  UNION ALL
  SELECT u.customer_id, u.day FROM next CROSS JOIN LATERAL (
    SELECT customer_id, day FROM usage_daily d
    WHERE (d.customer_id, d.day) > (next.customer_id, next.day)
    ORDER BY d.customer_id, d.day LIMIT 1) u),

-- The first row is where the last step ended.
key AS MATERIALIZED (
  SELECT customer_id, day FROM (
    SELECT n.customer_id, n.day, row_number() OVER by_key AS place,
      sum(1 + COALESCE(f.instances, 0) / 100) OVER by_key AS work
    FROM (SELECT customer_id, day FROM next OFFSET 1 LIMIT $1::bigint) n
    LEFT JOIN usage_fleets f ON f.customer_id = n.customer_id
    WINDOW by_key AS (ORDER BY n.customer_id, n.day)) w
  WHERE place = 1 OR work <= $1::bigint),

day AS (
  INSERT INTO usage_days (customer_id, day) SELECT customer_id, day FROM key
  ORDER BY customer_id, day ON CONFLICT DO NOTHING
  RETURNING 1),

metric AS (
  INSERT INTO usage_metric_sums (customer_id, unit, starts_on, metric)
  SELECT DISTINCT m.customer_id, u.unit, date_trunc(u.unit, m.day)::date, m.metric
  FROM key k JOIN usage_daily_metrics m ON m.customer_id = k.customer_id AND m.day = k.day,
    (VALUES ('day'), ('month')) AS u (unit), (SELECT count(*) FROM day) AS behind
  ORDER BY 1, 2, 3, 4 ON CONFLICT DO NOTHING)

SELECT array_agg(customer_id ORDER BY customer_id, day) AS customers,
  array_agg(day::text ORDER BY customer_id, day) AS days
FROM key
