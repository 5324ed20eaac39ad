-- 023_instance_kinds.sql: what an instance is for, and to which one its activation was transferred.

-- The constraint is not checked for older rows, which all have the default.
ALTER TABLE instances ADD COLUMN kind text NOT NULL DEFAULT 'production',
    ADD COLUMN transferred_to text;
ALTER TABLE instances ADD CONSTRAINT instances_kind
    CHECK (kind IN ('production', 'staging', 'development')) NOT VALID;

-- The kind of each instance in use. A program that does not know it counts all as production, until
-- the next change of the instance.
ALTER TABLE usage_fleet_instances ADD COLUMN kind text NOT NULL DEFAULT 'production';

CREATE INDEX usage_fleet_instances_not_production ON usage_fleet_instances (customer_id)
    WHERE kind <> 'production';

-- How often a customer's own keys moved an activation, or changed the kind of an instance, in its last
-- month (UTC) with such a change.
CREATE TABLE instance_moves (
    customer_id text PRIMARY KEY,
    month       date NOT NULL,
    moves       bigint NOT NULL
);
