-- 059_fleet_lookups.sql: one instance is looked up by the primary key.

-- Where most customers have one instance, PostgreSQL expects one row of any customer. It then took the
-- index by customer and time for the look-up of one instance, and read a whole fleet of 10 000. The
-- condition is true of each row, and only a statement that compares check_at can use the index.
-- Reports and the fold wait meanwhile: a second for a million instances.
DROP INDEX usage_fleet_instances_of_customer;
CREATE INDEX usage_fleet_instances_of_customer ON usage_fleet_instances (customer_id, check_at)
    WHERE check_at IS NOT NULL;
