-- 062_webhook_backlogs.sql: a customer with very many events does not keep those of others from an endpoint.

-- The customer's events behind (position, number) up to the endpoint's cursor have no rows in
-- webhook_deliveries yet: they are copied some at a time, and others do not wait for them. Of those that
-- have rows, an earlier program may have copied them.
CREATE TABLE webhook_backlogs (
    endpoint_id text NOT NULL REFERENCES webhook_endpoints ON DELETE CASCADE,
    customer_id text NOT NULL,
    position    bigint NOT NULL,
    number      bigint NOT NULL,
    PRIMARY KEY (endpoint_id, customer_id)
);

-- Whose event it is; NULL: of no customer, replayed, or copied by an earlier program.
ALTER TABLE webhook_deliveries ADD COLUMN customer_id text;
