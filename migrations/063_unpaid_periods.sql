-- 063_unpaid_periods.sql: the payment of a period may be on its way when the period has begun.

-- The begin of the present period while the charge for it is on its way, as a direct debit is for days: licences
-- that follow the paid period do not last to the end of this one yet. NULL: nothing is on its way, or no change
-- has come since this version.
ALTER TABLE subscriptions ADD COLUMN period_unpaid_from timestamptz(3);
