-- Tells how many events readers do not get yet, since when, for whom they wait, and how many of this and
-- the next month have no table.
--
-- Readers wait for the open transaction with the lowest id in the cluster. Each holds a lock on its id;
-- one that is prepared has no process.

SELECT waiting, waiting_since,
  CASE WHEN waiting > 0 THEN (
    SELECT COALESCE(
      (SELECT format('the prepared transaction %s of %s in the database %s', gid, owner, database)
       FROM pg_prepared_xacts WHERE transaction = l.transactionid),
      (SELECT format('process %s of %s (%s) in the database %s', pid, usename,
         COALESCE(nullif(application_name, ''), 'no name'), datname)
       FROM pg_stat_activity a WHERE a.pid = l.pid))
    FROM pg_locks l WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted
      AND l.transactionid = pg_snapshot_xmin(pg_current_snapshot())::xid LIMIT 1) END AS holder,
  (SELECT count(*) FROM (VALUES (now()), (now() + interval '1 month')) AS month (at)
   WHERE to_regclass(to_char(at AT TIME ZONE 'UTC', '"events_"YYYY"_"MM')) IS NULL) AS months_missing
FROM (
  SELECT count(*) AS waiting, min(created_at) AS waiting_since FROM (
    SELECT created_at FROM events
    WHERE position >= (
      SELECT base + pg_snapshot_xmin(pg_current_snapshot())::text::bigint FROM event_clock)
    ORDER BY position, number LIMIT 1000) AS waiting) AS figures
