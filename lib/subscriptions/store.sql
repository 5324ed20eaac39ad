-- Stores a subscription of Stripe's, and changes nothing when the row has the same values already.
--
-- $1 customer  $2 Stripe's id  $3 plan  $4 status  $5 end of the trial  $6 end of the period
-- $7 past due since at the latest  $8 cancel at the period's end  $9 cancel at  $10 canceled at  $11 ended at
-- $12 Stripe's price  $13 created at  $14 now  $15 the invoice that is unpaid, or NULL
-- $16 how collection is paused, or NULL  $17 resumes at  $18 whether the pause ends access
-- $19 quantity of the plan  $20 add-ons  $21 interval, or NULL  $22 how many of them  $23 currency, or NULL
-- $24 what it bills, which is stored apart in a row that exists
-- $25 whether it is known what waits to be paid  $26 the begin of a period that waits to be paid
--
-- Rows older than migration 026 have no quantity, which is one, and no interval and currency, which are
-- stored with the next change.
--
-- A new row is superseded until it is chosen. past_due_since is the first failed payment, as far as
-- its events have come: it only moves back while the subscription is past due. A day belongs to its
-- last plan: plan_before keeps the plan of the days before plan_from.

WITH unpaid AS (
  SELECT LEAST($7::timestamptz, (SELECT min(happened_at) FROM stripe_events
    WHERE subject = $15 AND type = 'invoice.payment_failed' AND family = 'invoice')) AS since),

-- A pause ends access with the period in which it began. Later periods, and another time at which it
-- ends, do not change that. After a pause that was to be over by now another one has begun.
pause AS (
  SELECT COALESCE((SELECT COALESCE(
      CASE WHEN pause_resumes_at <= $14 THEN NULL ELSE pause_ends_access_at END,
      $6, current_period_ends_at)
    FROM subscriptions WHERE stripe_subscription_id = $2), $6, $14) AS ends_at
  WHERE $18::boolean)

INSERT INTO subscriptions AS s (customer_id, stripe_subscription_id, plan, status, trial_ends_at,
  current_period_ends_at, past_due_since, cancel_at_period_end, cancel_at, canceled_at, ended_at,
  stripe_price_id, pause_behavior, pause_resumes_at, pause_ends_access_at, quantity, addons, interval,
  interval_count, currency, recurring, period_unpaid_from, superseded, created_at, updated_at)
SELECT $1, $2, $3, $4, $5::timestamptz, $6::timestamptz, since, $8::boolean, $9::timestamptz,
  $10::timestamptz, $11::timestamptz, $12, $16, $17::timestamptz,
  (SELECT ends_at FROM pause), $19::bigint, $20::jsonb, $21, $22::bigint, $23,
  $24, $26::timestamptz, true, $13::timestamptz, $14::timestamptz FROM unpaid
ON CONFLICT (stripe_subscription_id) DO UPDATE SET
  plan_before = CASE
    WHEN s.plan <> EXCLUDED.plan
      AND COALESCE(s.plan_from, (s.created_at AT TIME ZONE 'UTC')::date)
        < (EXCLUDED.updated_at AT TIME ZONE 'UTC')::date
    THEN s.plan ELSE s.plan_before END,
  plan_before_from = CASE
    WHEN s.plan <> EXCLUDED.plan
      AND COALESCE(s.plan_from, (s.created_at AT TIME ZONE 'UTC')::date)
        < (EXCLUDED.updated_at AT TIME ZONE 'UTC')::date
    THEN COALESCE(s.plan_from, (s.created_at AT TIME ZONE 'UTC')::date)
    ELSE s.plan_before_from END,
  plan_from = CASE
    WHEN s.plan <> EXCLUDED.plan
      AND COALESCE(s.plan_from, (s.created_at AT TIME ZONE 'UTC')::date)
        < (EXCLUDED.updated_at AT TIME ZONE 'UTC')::date
    THEN (EXCLUDED.updated_at AT TIME ZONE 'UTC')::date
    ELSE s.plan_from END,
  plan = EXCLUDED.plan,
  status = EXCLUDED.status,
  trial_ends_at = EXCLUDED.trial_ends_at,
  current_period_ends_at = COALESCE(EXCLUDED.current_period_ends_at, s.current_period_ends_at),
  past_due_since = CASE WHEN s.status = EXCLUDED.status
    THEN LEAST(s.past_due_since, EXCLUDED.past_due_since) ELSE EXCLUDED.past_due_since END,
  cancel_at_period_end = EXCLUDED.cancel_at_period_end,
  cancel_at = EXCLUDED.cancel_at,
  canceled_at = EXCLUDED.canceled_at,
  ended_at = EXCLUDED.ended_at,
  stripe_price_id = EXCLUDED.stripe_price_id,
  pause_behavior = EXCLUDED.pause_behavior,
  pause_resumes_at = EXCLUDED.pause_resumes_at,
  pause_ends_access_at = EXCLUDED.pause_ends_access_at,
  quantity = EXCLUDED.quantity,
  addons = EXCLUDED.addons,
  interval = EXCLUDED.interval,
  interval_count = EXCLUDED.interval_count,
  currency = EXCLUDED.currency,
  period_unpaid_from = CASE WHEN $25::boolean THEN EXCLUDED.period_unpaid_from
    ELSE s.period_unpaid_from END,
  scheduled_plan = CASE
    WHEN EXCLUDED.status IN ('canceled', 'incomplete_expired')
      OR (s.scheduled_plan = EXCLUDED.plan
        AND COALESCE(s.scheduled_quantity, EXCLUDED.quantity) = EXCLUDED.quantity
        AND NOT EXISTS (SELECT FROM jsonb_each(s.scheduled_addons) one
          WHERE COALESCE(EXCLUDED.addons -> one.key, '0') <> one.value))
    THEN NULL ELSE s.scheduled_plan END,
  version = s.version + 1,
  updated_at = EXCLUDED.updated_at
WHERE (EXCLUDED.plan, EXCLUDED.status, EXCLUDED.trial_ends_at,
    COALESCE(EXCLUDED.current_period_ends_at, s.current_period_ends_at),
    EXCLUDED.cancel_at_period_end, EXCLUDED.cancel_at, EXCLUDED.canceled_at, EXCLUDED.ended_at,
    EXCLUDED.stripe_price_id, EXCLUDED.pause_behavior, EXCLUDED.pause_resumes_at,
    EXCLUDED.pause_ends_access_at, LEAST(s.past_due_since, EXCLUDED.past_due_since),
    EXCLUDED.quantity, EXCLUDED.addons, EXCLUDED.interval, EXCLUDED.interval_count,
    EXCLUDED.currency,
    CASE WHEN $25::boolean THEN EXCLUDED.period_unpaid_from ELSE s.period_unpaid_from END)
  IS DISTINCT FROM (s.plan, s.status, s.trial_ends_at, s.current_period_ends_at,
    s.cancel_at_period_end, s.cancel_at, s.canceled_at, s.ended_at, s.stripe_price_id,
    s.pause_behavior, s.pause_resumes_at, s.pause_ends_access_at, s.past_due_since,
    COALESCE(s.quantity, 1), s.addons, COALESCE(s.interval, EXCLUDED.interval),
    COALESCE(s.interval_count, EXCLUDED.interval_count), COALESCE(s.currency, EXCLUDED.currency),
    s.period_unpaid_from)
