-- 045_terms_filled.sql: fills the columns of migration 33 for what was there before it. Only the rows that
-- are written are locked; a change of overrides or contracts waits meanwhile.

LOCK TABLE overrides, contracts, contract_versions IN SHARE MODE;

-- A row that the triggers have written is right already.
UPDATE customers c SET override_terms = override_terms(o)
FROM overrides o WHERE o.customer_id = c.customer_id AND c.override_terms IS NULL;

UPDATE subscriptions s SET contract_terms = contract_terms(v)
FROM contracts k
JOIN contract_versions v ON v.contract_id = k.contract_id AND v.version = k.version
WHERE s.contract_id = k.contract_id AND s.contract_terms IS NULL;
