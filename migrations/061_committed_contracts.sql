-- 061_committed_contracts.sql: a contract that Stripe bills counts as committed until somebody ends it early.

-- revenue_at() of migration 37, with another rule for `ends`. Stripe's cancel_at of a contract is the contract's own
-- end from its creation on, in whole seconds. Only a cancel_at before that end means that somebody has ended the
-- contract early. lib/analytics/counts.sql has the same condition. Every row that meets it is in the index
-- subscriptions_scheduled_ends.
CREATE OR REPLACE FUNCTION revenue_at(customer text, moment timestamptz)
    RETURNS TABLE (currency text, mrr numeric, committed numeric, plan text, subscription_id bigint)
    LANGUAGE sql STABLE AS $$
    WITH chosen AS (
        SELECT s.subscription_id, s.plan,
            CASE WHEN k.billing = 'manual' THEN v.currency ELSE s.recurring::jsonb ->> 'currency' END AS currency,
            CASE WHEN k.billing = 'manual'
                THEN COALESCE(revenue_monthly(v.amount_minor, v.interval, v.interval_count), 0)
                ELSE revenue_of(s.recurring::jsonb) END AS mrr,
            s.cancel_at_period_end
                OR (s.cancel_at IS NOT NULL
                    AND (s.contract_id IS NULL OR s.cancel_at < date_trunc('second', s.ends_at)))
                OR s.hold_ends_access_at IS NOT NULL OR s.price_ends_access_at IS NOT NULL
                OR k.end_set_at IS NOT NULL AS ends,
            revenue_counts(s, moment) AS counts
        FROM subscriptions s
        LEFT JOIN contracts k ON k.contract_id = s.contract_id
        LEFT JOIN contract_versions v ON v.contract_id = k.contract_id AND v.version = k.version
        WHERE s.customer_id = customer AND NOT s.superseded
        ORDER BY subscription_order(s, moment), s.subscription_id DESC LIMIT 1)
    SELECT c.currency, c.mrr, CASE WHEN c.ends THEN 0 ELSE c.mrr END, c.plan, c.subscription_id
    FROM chosen c WHERE c.counts AND c.mrr > 0 AND c.currency IS NOT NULL $$;

-- The jobs process books their values anew. Only the rows of these customers are locked.
UPDATE revenue_customers c SET due_at = LEAST(c.due_at, revenue_now())
FROM subscriptions s
WHERE s.customer_id = c.customer_id AND s.contract_id IS NOT NULL AND s.stripe_subscription_id IS NOT NULL
    AND NOT s.superseded AND s.status NOT IN ('canceled', 'incomplete_expired');
