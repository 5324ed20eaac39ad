-- How many customers, trials and subscriptions there are at the present time ($1).

SELECT (SELECT count(*) FROM customers WHERE deleted_at IS NULL) AS customers,
  (SELECT count(*) FROM subscriptions WHERE status = 'trialing' AND stripe_subscription_id IS NULL
    AND trial_ends_at > $1::timestamptz AND contract_id IS NULL AND NOT superseded) AS trials_open,
  (SELECT count(*) FROM subscriptions WHERE status = 'trialing' AND stripe_subscription_id IS NULL
    AND trial_ends_at > $1::timestamptz AND trial_ends_at <= $1::timestamptz + interval '7 days'
    AND contract_id IS NULL AND NOT superseded) AS trials_ending,
  (SELECT count(*) FROM subscriptions
    WHERE NOT superseded AND status IN ('past_due', 'unpaid')) AS past_due,
  (SELECT count(*) FROM subscriptions WHERE NOT superseded AND status IN ('active', 'past_due')
    AND (cancel_at_period_end OR (cancel_at IS NOT NULL
      AND (contract_id IS NULL OR cancel_at < date_trunc('second', ends_at))))) AS ending,
  (SELECT count(*) FROM subscriptions WHERE contract_id IS NOT NULL
    AND status NOT IN ('canceled', 'incomplete_expired') AND starts_at <= $1::timestamptz
    AND ends_at > $1::timestamptz) AS contracts,
  (SELECT count(*) FROM subscriptions WHERE contract_id IS NOT NULL
    AND status NOT IN ('canceled', 'incomplete_expired') AND ends_at > $1::timestamptz
    AND ends_at <= $1::timestamptz + interval '30 days') AS contracts_ending,
  (SELECT count(*) FROM subscriptions WHERE NOT superseded AND status IN ('active', 'past_due')
    AND recurring LIKE '%"uncounted":%') AS uncounted
