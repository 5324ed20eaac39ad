-- Compares subscriptions of Stripe's list with what is booked for them: $1 their ids, $2 their statuses,
-- $3 whether their payments are paused, $4 what they bill, '' where the list does not tell all of that,
-- $5 the present time. One row for each, with the reason if they differ. A subscription of which a part
-- cannot be counted is never equal: Stripe counts that part, too.
--
-- At Stripe a subscription counts while it is active or past due. Here the one counts that gives access.

WITH listed AS (
  SELECT l.id, l.status, l.paused::boolean AS paused,
    COALESCE(NULLIF(l.recurring, ''), s.recurring) AS recurring, s.subscription_id, s.customer_id,
    s.superseded, s.status AS our_status, s.recurring AS our_recurring, s.hold_ends_access_at,
    s.price_ends_access_at, s.starts_at, s.ends_at, s.pause_behavior
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS l (id, status, paused, recurring)
  LEFT JOIN subscriptions s ON s.stripe_subscription_id = l.id),

both_sides AS (
  SELECT l.id, l.customer_id, COALESCE(l.recurring::jsonb ->> 'currency', v.currency) AS currency,
    CASE WHEN n.subscription_id = l.subscription_id THEN COALESCE(v.mrr, 0) ELSE 0 END AS ours,
    CASE WHEN l.status IN ('active', 'past_due') AND NOT l.paused
      THEN revenue_of(l.recurring::jsonb) ELSE 0 END AS theirs,
    CASE
      WHEN l.subscription_id IS NULL THEN 'the subscription is not stored here'
      WHEN l.status <> l.our_status THEN 'its status here is ' || l.our_status
      WHEN l.superseded THEN 'another subscription of the customer counts'
      WHEN l.our_recurring IS NULL THEN 'its price is not known here yet'
      WHEN l.hold_ends_access_at <= $5::timestamptz THEN 'a payment was taken back'
      WHEN l.price_ends_access_at <= $5::timestamptz THEN 'no plan has its price'
      WHEN l.starts_at > $5::timestamptz OR l.ends_at <= $5::timestamptz
        THEN 'its contract does not run now'
      WHEN l.status = 'past_due' AND n.subscription_id IS NULL THEN 'its days of grace are over'
      WHEN l.paused <> (l.pause_behavior IS NOT NULL) THEN 'its pause is not known here yet'
      WHEN l.our_recurring <> l.recurring THEN 'Stripe has changed it since'
      WHEN EXISTS (SELECT FROM revenue_customers c
        WHERE c.customer_id = l.customer_id AND c.due_at <= $5::timestamptz)
        THEN 'a change by date is not booked yet'
    END AS reason,
    CASE WHEN l.recurring LIKE '%"uncounted":%' AND l.status IN ('active', 'past_due') AND NOT l.paused
      THEN concat('not counted: ', COALESCE((SELECT string_agg(r, ', ')
        FROM jsonb_array_elements_text(l.recurring::jsonb -> 'reasons') r), 'a price or discount'))
    END AS uncounted
  FROM listed l
  LEFT JOIN LATERAL revenue_at(l.customer_id, $5::timestamptz) n ON true
  LEFT JOIN revenue_values v ON v.customer_id = l.customer_id AND v.currency = n.currency)

SELECT id, customer_id, currency, trim_scale(ours)::text AS ours, trim_scale(theirs)::text AS theirs,
  CASE WHEN ours <> theirs THEN reason ELSE uncounted END AS reason,
  ours = theirs AND uncounted IS NULL AS equal
FROM both_sides ORDER BY id
