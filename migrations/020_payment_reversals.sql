-- 020_payment_reversals.sql: payments that Stripe gave back, and what that did to access.

CREATE TABLE payment_reversals (
    -- Stripe's charge that was refunded, or its dispute.
    object_id              text PRIMARY KEY,
    kind                   text NOT NULL CHECK (kind IN ('refund', 'dispute')),
    customer_id            text NOT NULL REFERENCES customers,
    stripe_subscription_id text NOT NULL,
    invoice_id             text NOT NULL,
    -- In minor units: refunded so far, or disputed.
    amount                 bigint NOT NULL,
    currency               text,
    -- The dispute's status at Stripe; NULL for a refund.
    status                 text,
    -- The installation's policy when all was refunded, or when a dispute of whatever amount began. NULL:
    -- neither is so. 'keep' too when the payment was not for a period that went on.
    policy                 text CHECK (policy IN ('keep', 'period_end', 'revoke')),
    access_ends_at         timestamptz(3),
    -- Stripe was told to end the subscription with its period because of this, and the customer has not
    -- cancelled since.
    ends_subscription      boolean NOT NULL DEFAULT false,
    -- The later end that the subscription had before; it has it again when access is given back.
    other_end_at           timestamptz(3),
    created_at             timestamptz(3) NOT NULL,
    -- A dispute that was won, or an operator, has given access back: 'won' or the operator.
    lifted_at              timestamptz(3),
    lifted_by              text,
    CHECK ((policy IN ('period_end', 'revoke')) = (access_ends_at IS NOT NULL)),
    CHECK ((lifted_at IS NULL) = (lifted_by IS NULL))
);

CREATE INDEX payment_reversals_of_subscription ON payment_reversals (stripe_subscription_id);
CREATE INDEX payment_reversals_of_customer ON payment_reversals (customer_id);
CREATE INDEX payment_reversals_of_invoice ON payment_reversals (invoice_id);

-- NOT VALID: the rows so far obey the stricter rule before.
ALTER TABLE stripe_events
    DROP CONSTRAINT stripe_events_family_check,
    ADD CONSTRAINT stripe_events_family_check
        CHECK (family IN ('subscription', 'invoice', 'customer', 'meter', 'charge', 'dispute'))
        NOT VALID;
