-- 062_webhook_backlogs.sql: a customer with very many events does not keep those of others from an endpoint.

-- Rows in webhook_deliveries are still to be made for the customer's events that lie behind (position, number) and
-- not behind the endpoint's cursor. They are made some at a time, so that other customers do not wait. An older
-- version of the program may have made some of them.
CREATE TABLE webhook_backlogs (
    endpoint_id text NOT NULL REFERENCES webhook_endpoints ON DELETE CASCADE,
    customer_id text NOT NULL,
    position    bigint NOT NULL,
    number      bigint NOT NULL,
    PRIMARY KEY (endpoint_id, customer_id)
);

-- The customer of the event. NULL: the event has no customer, or it was sent again by a replay, or an older
-- version of the program stored the row.
ALTER TABLE webhook_deliveries ADD COLUMN customer_id text;
