"""A generated database of the original service: its tables, as many rows as wanted, and rows that
cannot be taken over as they are."""

SCHEMA = """
CREATE TABLE customers (
    id serial PRIMARY KEY,
    customer_id varchar(100) UNIQUE NOT NULL,
    email varchar(255) NOT NULL,
    company_name varchar(255),
    stripe_customer_id varchar(255),
    created_at timestamp DEFAULT now(),
    updated_at timestamp DEFAULT now());
CREATE TABLE subscriptions (
    id serial PRIMARY KEY,
    customer_id varchar(100) UNIQUE NOT NULL REFERENCES customers (customer_id),
    stripe_subscription_id varchar(255),
    plan varchar(50) NOT NULL,
    status varchar(50) NOT NULL,
    trial_ends_at timestamp,
    current_period_ends_at timestamp,
    created_at timestamp DEFAULT now(),
    updated_at timestamp DEFAULT now());
CREATE TABLE usage_reports (
    id bigserial PRIMARY KEY,
    customer_id varchar(100) NOT NULL REFERENCES customers (customer_id),
    instance_id varchar(255) NOT NULL,
    active_devices integer DEFAULT 0,
    total_devices integer DEFAULT 0,
    reported_at timestamp DEFAULT now());
"""

# Customers in turn: a paid one, a trial that runs, a trial that is over, a canceled one. One in ten
# has an id of the older form.
ROWS = """
INSERT INTO customers (customer_id, email, company_name, stripe_customer_id, created_at, updated_at)
SELECT CASE WHEN n % 10 = 0 THEN 'customer ' || n || ' / ' || chr(228)
            ELSE 'cust_' || md5('customer ' || n) END,
    'person' || n || '@original.example', 'Company ' || n,
    CASE WHEN n % 4 = 0 THEN 'cus_original' || n END,
    now() - interval '200 days' + n * interval '1 second', now() - interval '100 days'
FROM generate_series(1, {customers}) n;
INSERT INTO subscriptions (customer_id, stripe_subscription_id, plan, status, trial_ends_at,
    current_period_ends_at, created_at, updated_at)
SELECT customer_id, CASE WHEN id % 4 = 0 THEN 'sub_original' || id END,
    CASE WHEN id % 4 = 0 THEN 'professional' ELSE 'starter' END,
    (ARRAY['active', 'trialing', 'trialing', 'canceled'])[id % 4 + 1],
    CASE id % 4 WHEN 1 THEN now() + interval '5 days' WHEN 2 THEN now() - interval '5 days' END,
    CASE WHEN id % 4 = 0 THEN now() + interval '20 days' END, created_at, updated_at
FROM customers;
INSERT INTO usage_reports (customer_id, instance_id, active_devices, total_devices, reported_at)
SELECT c.customer_id, 'instance-' || n / {customers} % 2, n % 40, n % 40 + n % 7,
    date_trunc('day', now() AT TIME ZONE 'UTC') - (n / {customers} * 7 % 80) * interval '1 day' - interval '1 hour'
FROM generate_series(0, {reports} - 1) n JOIN customers c ON c.id = n % {customers} + 1;
"""

# Each row that is skipped or changed, and what the import says of it.
ODD_ROWS = """
INSERT INTO customers (customer_id, email, company_name, stripe_customer_id, created_at) VALUES
    ('cust_00000000000000000000000000000001', 'PERSON1@Original.Example', NULL, NULL, now()),
    ('cust_00000000000000000000000000000002', 'no address', NULL, NULL, now()),
    ('cust_00000000000000000000000000000003', 'odd3@original.example', E'bad\\u0007name', 'cus_original4',
     '2999-01-01'),
    ('cust_00000000000000000000000000000004', 'odd4@original.example', '', 'not an id!', 'infinity'),
    ('cust_00000000000000000000000000000005', 'odd5@original.example', NULL, NULL, now()),
    ('cust_00000000000000000000000000000006', 'odd6@original.example', NULL, NULL, now()),
    ('cust_00000000000000000000000000000007', 'odd7@original.example', NULL, NULL, now()),
    ('cust_00000000000000000000000000000008', 'odd8@original.example', NULL, NULL, now()),
    ('cust_00000000000000000000000000000009', 'odd9@original.example', NULL, NULL, now());
INSERT INTO subscriptions (customer_id, stripe_subscription_id, plan, status, trial_ends_at,
    current_period_ends_at) VALUES
    ('cust_00000000000000000000000000000001', NULL, 'starter', 'canceled', NULL, NULL),
    ('cust_00000000000000000000000000000003', NULL, 'gold', 'active', NULL, NULL),
    ('cust_00000000000000000000000000000004', NULL, 'starter', 'expired', NULL, NULL),
    ('cust_00000000000000000000000000000005', NULL, 'starter', 'trialing', NULL, NULL),
    ('cust_00000000000000000000000000000006', NULL, 'starter', 'trialing', '2999-01-01', NULL),
    ('cust_00000000000000000000000000000007', NULL, 'starter', 'active', NULL, 'infinity'),
    ('cust_00000000000000000000000000000008', NULL, 'enterprise', 'active', NULL, NULL),
    ('cust_00000000000000000000000000000009', NULL, 'enterprise', 'active', NULL,
     date_trunc('day', now() AT TIME ZONE 'UTC') + interval '100 days');
INSERT INTO usage_reports (customer_id, instance_id, active_devices, total_devices, reported_at) VALUES
    ('cust_00000000000000000000000000000001', 'a', 1, 1, now()),
    ('cust_00000000000000000000000000000003', 'a', 1, 1, now() + interval '1 day'),
    ('cust_00000000000000000000000000000003', 'a', 1, 1, now() - interval '200 days'),
    ('cust_00000000000000000000000000000003', 'a', 1, 1, now() - interval '201 days'),
    ('cust_00000000000000000000000000000004', 'with a blank', 1, 1, now()),
    ('cust_00000000000000000000000000000004', 'a', 2, 1, now()),
    ('cust_00000000000000000000000000000004', 'a', -1, 1, now()),
    ('cust_00000000000000000000000000000004', 'a', 1, 1, 'infinity'),
    ('cust_00000000000000000000000000000005', 'a', 3, 5, date_trunc('second', now() AT TIME ZONE 'UTC')),
    ('cust_00000000000000000000000000000005', 'a', 3, 5, date_trunc('second', now() AT TIME ZONE 'UTC'));
"""


def script(customers, reports, odd=True):
    """SQL that makes and fills the tables."""
    return SCHEMA + ROWS.format(customers=customers, reports=reports) + (ODD_ROWS if odd else "") + \
        "ANALYZE;"
