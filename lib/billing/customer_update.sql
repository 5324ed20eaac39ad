-- Changes a customer. An address that pends counts at once only when it compares as the one of
-- before; whether another customer has it makes no difference.
--
-- $1 customer  $2 whether the address changes  $3 address  $4 whether the name changes  $5 name
-- $6 now  $7 address's key  $8 name's key  $9 whether the address pends  $10 notices, or NULL

UPDATE customers SET
  email = CASE WHEN $2::boolean AND (NOT $9::boolean OR email_key = $7) THEN $3 ELSE email END,
  email_key = CASE WHEN $2::boolean AND NOT $9::boolean THEN $7 ELSE email_key END,
  pending_email = CASE WHEN NOT $2::boolean THEN pending_email
    WHEN $9::boolean AND email_key IS DISTINCT FROM $7 THEN $3 END,
  company_name = CASE WHEN $4::boolean THEN $5 ELSE company_name END,
  company_key = CASE WHEN $4::boolean THEN $8 ELSE company_key END,
  notices = COALESCE($10::boolean, notices),
  updated_at = $6
WHERE customer_id = $1 AND deleted_at IS NULL
RETURNING customer_id, email, company_name, stripe_customer_id, pending_email, notices,
  created_at, updated_at
