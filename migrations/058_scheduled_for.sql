-- 058_scheduled_for.sql: when a smaller plan begins that was scheduled for the next period.

-- The end of the period in which the customer requested it. A renewal moves the end of the period on, but not
-- this: the plan stays due when Stripe could not learn of it in time. NULL: none was scheduled since this
-- version, then the end of the period counts.
ALTER TABLE subscriptions ADD COLUMN scheduled_for timestamptz(3);
