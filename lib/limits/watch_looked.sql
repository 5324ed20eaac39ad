-- Remembers a look at the use of a customer ($1) at the time $2: the shares that were told ($3), and how
-- much of each limit is in use ($4, a list of {"name", "used", "max"}), of those that are half used.

WITH level AS MATERIALIZED (
  SELECT l.name, l.used, l.max, floor(l.used * 100 / l.max)::bigint AS percent
  FROM jsonb_to_recordset($4::jsonb) AS l (name text, used numeric, max bigint)
  WHERE l.max > 0 AND l.used * 2 >= l.max AND l.used <= l.max::numeric * 1000000),

gone AS (
  DELETE FROM usage_limit_levels
  WHERE customer_id = $1 AND name NOT IN (SELECT name FROM level)),

stored AS (
  INSERT INTO usage_limit_levels AS u (customer_id, name, used, max, percent, measured_at)
  SELECT $1, name, used, max, percent, $2::timestamptz FROM level
  ON CONFLICT (customer_id, name) DO UPDATE SET used = EXCLUDED.used, max = EXCLUDED.max,
    percent = EXCLUDED.percent, measured_at = EXCLUDED.measured_at)

UPDATE usage_watch SET check_at = NULL, checked_at = $2, levels = $3::jsonb WHERE customer_id = $1
