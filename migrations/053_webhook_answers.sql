-- 053_webhook_answers.sql: answers to the events of a customer are found by an index, to be erased.

-- The table has the deliveries of a month at most. While the index is made, the senders wait.
CREATE INDEX webhook_deliveries_answered ON webhook_deliveries (event_id) WHERE answer IS NOT NULL;
