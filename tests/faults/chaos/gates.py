"""Gates in the database: billingd waits at a gate in one step of its work, and is killed in just that step."""

from support.stack import wait_for

from .postgres import IMMEDIATE, Postgres, Session
from .processes import children, kill, role_of

NUMBER = 770077

# The table is locked before its partitions, as writers do.
LOCKED = "BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE; {change}; COMMIT"
MAKE = """
CREATE OR REPLACE FUNCTION test_gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared({number});
    RETURN NEW;
END $$;
CREATE {kind} test_gate {when} {operation} ON {table} {deferred} FOR EACH ROW
    {condition} EXECUTE FUNCTION test_gate()
"""


class Gate:
    """While the block lasts, a process of billingd waits before it stores a row, or at the commit of that.
    `operation` is INSERT or UPDATE; `only` is a condition on NEW and OLD."""

    def __init__(self, stack, table, operation, only="true", at_commit=False):
        self.stack = stack
        self.table = table
        self.postgres = Postgres(stack)
        self.sql = MAKE.format(
            number=NUMBER, operation=operation, table=table, condition=f"WHEN ({only})",
            kind="CONSTRAINT TRIGGER" if at_commit else "TRIGGER",
            when="AFTER" if at_commit else "BEFORE",
            deferred="DEFERRABLE INITIALLY DEFERRED" if at_commit else "")
        self.session = None

    def __enter__(self):
        self.session = Session(self.stack).__enter__()
        self.session.run(f"SELECT pg_advisory_xact_lock({NUMBER})")
        self.stack.sql(LOCKED.format(table=self.table, change=self.sql))
        return self

    def __exit__(self, *_):
        self.session.__exit__()
        drop = f"DROP TRIGGER test_gate ON {self.table}; DROP FUNCTION test_gate()"
        self.stack.sql(LOCKED.format(table=self.table, change=drop))

    def waiter(self):
        """The server process of the one who waits there, once there is one."""
        return int(wait_for(lambda: self.stack.sql(
            "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted "
            f"AND objid = {NUMBER} LIMIT 1"), every=0.02))

    def kill_postgres(self, immediate=False):
        """Kills PostgreSQL, or the server process that waits, which makes all of PostgreSQL start again. The
        gate is open then."""
        pid = self.waiter()
        if immediate:
            self.postgres.end(IMMEDIATE)
            self.postgres.start()
        else:
            self.postgres.kill_backend(pid)

    def kill_process(self, role, commits=True):
        """Kills billingd's process of that role once it waits at the gate, and opens that: the server goes on to
        the commit, or ends the transaction."""
        waiter = self.waiter()
        [pid] = [pid for pid in children(self.stack) if role_of(pid) == role]
        kill(pid)
        if not commits:
            self.postgres.super_sql(f"SELECT pg_terminate_backend({waiter}, 5000)")
        self.session.run("ROLLBACK")
