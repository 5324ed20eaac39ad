-- 011_stripe_reasons.sql: the words in which Stripe refuses a call, and events that an operator dismisses.

-- Stripe's own param and message, for the operator; `error` has its code. A message may quote the
-- customer's data: it goes when the customer is deleted.
ALTER TABLE stripe_calls
    ADD COLUMN error_param   text,
    ADD COLUMN error_message text;

-- An operator has looked at a dismissed event; nothing is to be done about it. NOT VALID: the rows so far
-- obey the stricter rule before.
ALTER TABLE stripe_events
    DROP CONSTRAINT stripe_events_state_check,
    ADD CONSTRAINT stripe_events_state_check
        CHECK (state IN ('pending', 'done', 'ignored', 'parked', 'dismissed')) NOT VALID;

-- A later event about the same object ends the parked ones too.
CREATE INDEX stripe_events_open_of_subject ON stripe_events (family, subject)
    WHERE state IN ('pending', 'parked');
DROP INDEX stripe_events_of_subject;
-- The deletion of an object explains that Stripe has it no more.
CREATE INDEX stripe_events_deletions ON stripe_events (subject) WHERE type LIKE '%.deleted';
