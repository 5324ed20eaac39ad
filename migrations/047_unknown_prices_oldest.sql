-- 047_unknown_prices_oldest.sql: what needs a hand shows the oldest ones of these; a price that no plan has may have
-- been bought by all customers.

CREATE INDEX stripe_unknown_prices_oldest ON stripe_unknown_prices (first_seen_at);
