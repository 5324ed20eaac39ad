-- 015_failed_payments.sql: grace counts from the first failed payment, not from the invoice's creation.

CREATE INDEX stripe_events_failed_payments ON stripe_events (subject)
    WHERE type = 'invoice.payment_failed';

UPDATE subscriptions s SET past_due_since = failed.since, version = version + 1
FROM (SELECT i.stripe_subscription_id, min(e.happened_at) AS since
      FROM invoices i JOIN stripe_events e
      ON e.subject = i.invoice_id AND e.type = 'invoice.payment_failed' AND e.family = 'invoice'
      WHERE i.status = 'open' GROUP BY i.stripe_subscription_id) failed
WHERE s.stripe_subscription_id = failed.stripe_subscription_id
AND s.status = 'past_due' AND s.past_due_since < failed.since;
