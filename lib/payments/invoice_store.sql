-- Stores an invoice as Stripe has it. One row is affected when something changed.
--
-- $1 invoice  $2 customer  $3 subscription at Stripe  $4 number  $5 status  $6 reason
-- $7 amount due  $8 amount paid  $9 currency  $10 created  $11 address of its page
-- $12 address of its PDF  $13 when it was fetched

INSERT INTO invoices AS i (invoice_id, customer_id, stripe_subscription_id, number, status,
  billing_reason, amount_due, amount_paid, currency, created_at, hosted_invoice_url, invoice_pdf,
  fetched_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (invoice_id) DO UPDATE SET
  number = EXCLUDED.number,
  status = EXCLUDED.status,
  amount_due = EXCLUDED.amount_due,
  amount_paid = EXCLUDED.amount_paid,
  hosted_invoice_url = EXCLUDED.hosted_invoice_url,
  invoice_pdf = EXCLUDED.invoice_pdf,
  fetched_at = EXCLUDED.fetched_at
WHERE (i.number, i.status, i.amount_due, i.amount_paid, i.hosted_invoice_url, i.invoice_pdf)
  IS DISTINCT FROM (EXCLUDED.number, EXCLUDED.status, EXCLUDED.amount_due, EXCLUDED.amount_paid,
    EXCLUDED.hosted_invoice_url, EXCLUDED.invoice_pdf)
