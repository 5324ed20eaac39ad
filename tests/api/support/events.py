"""A log of events in which one event comes behind more than one page reads."""

import contextlib


@contextlib.contextmanager
def far_event(stack, customer_id):
    """While it lasts, the customer has one event "dispute.opened", behind 10010 other events of its own and then as
    many of this type that belong to no customer. All come before the other events of the log."""
    stack.sql(f"""
        INSERT INTO events (position, number, event_id, type, customer_id, sequence, created_at, data)
            SELECT 1 + i / 20021, i, gen_random_uuid(),
                CASE WHEN i <= 10010 THEN 'key.created' ELSE 'dispute.opened' END,
                CASE WHEN i <= 10010 OR i = 20021 THEN '{customer_id}' END, i, now() - interval '20 days', '{{}}'
            FROM generate_series(1, 20021) i""")
    try:
        yield
    finally:
        stack.sql("DELETE FROM events WHERE position <= 2")
