-- 046_uncounted.sql: finds the subscriptions that bill what MRR cannot count.

-- Their text has "uncounted", how many items and discounts these are, and "reasons".
CREATE INDEX subscriptions_uncounted ON subscriptions (created_at)
    WHERE NOT superseded AND status IN ('active', 'past_due') AND recurring LIKE '%"uncounted":%';
