-- The use that was sent to one meter for each day of a customer.
--
-- $1 customer  $2 name of the event  $3 now  $4 events sent later may not count yet
-- $5 how many days back

SELECT day::text AS day,
  extract(epoch FROM day::timestamp AT TIME ZONE 'UTC')::bigint AS starts_at_s,
  COALESCE(sum(value) FILTER (WHERE state = 'sent'), 0)::text AS sent,
  COALESCE(sum(value) FILTER (WHERE is_unknown), 0)::text AS unknown,
  COALESCE(sum(value) FILTER (WHERE state = 'sent' OR is_unknown), 0)::text AS "both",
  COALESCE(sum(value) FILTER (WHERE state = 'sent'
    OR (state = 'parked' AND error IS DISTINCT FROM 'settled')), 0)::text AS worth,
  bool_or(state IN ('pending', 'canceling')
    OR (state = 'sent' AND sent_at > $4::timestamptz)) AS open
FROM meter_events, LATERAL (SELECT state = 'parked' AND error = 'outcome_unknown') AS u (is_unknown)
WHERE customer_id = $1 AND event_name = $2
  AND day >= ($3::timestamptz AT TIME ZONE 'UTC')::date - $5::integer
GROUP BY day ORDER BY day
