-- 017_stripe_account.sql: the account at Stripe whose objects this database describes.

-- One row. A key of another account, or of the other mode, finds none of these objects: that must not be
-- taken for their end.
CREATE TABLE stripe_account (
    only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    account_id  text NOT NULL,
    livemode    boolean NOT NULL,
    recorded_at timestamptz(3) NOT NULL
);
