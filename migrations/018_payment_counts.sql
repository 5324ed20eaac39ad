-- 018_payment_counts.sql: how many payment requests a customer's own keys made within a day. Each leaves
-- rows in stripe_calls and in the audit trail, and objects at Stripe.

ALTER TABLE audit_counts ADD COLUMN payments bigint NOT NULL DEFAULT 0;
