"""Former faults of the service."""

import signal
import subprocess
import threading
from contextlib import contextmanager

import pytest

from support.client import expect
from support.stack import wait_for


def test_a_member_that_is_given_twice_is_refused(api):
    body = '{"email": "a@example.com", "\\u0065mail": "b@example.com"}'
    refused = expect(api.owner.post("/api/customers", data=body), 400, "invalid_json")
    assert refused["details"] == [{"field": "email", "message": "is given twice"}]


@contextmanager
def locked(stack, query):
    """Another session holds the locks of the query while the block runs."""
    session = subprocess.Popen(["psql", "-XAtq", "-d", stack.database_url], env=stack.env,
                               text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    session.stdin.write(f"BEGIN; {query};\n")
    session.stdin.flush()
    assert session.stdout.readline().strip()
    try:
        yield
    finally:
        session.communicate("COMMIT;\n", timeout=60)


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "victim"}], ids=["plain", "keyed"])
def test_the_victim_of_a_deadlock_is_retried(api, stack, headers):
    """A deadlock is retried and not reported. The trigger raises it in the first two tries: a sequence is
    not rolled back."""
    customer = api.sign_up()
    name = f"test_victim_{customer.id}"
    stack.sql(f"""
        CREATE SEQUENCE {name};
        GRANT USAGE ON SEQUENCE {name} TO billingd;
        CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF nextval('{name}') <= 2 THEN
                RAISE 'deadlock detected' USING ERRCODE = 'deadlock_detected';
            END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER {name} BEFORE UPDATE ON subscriptions FOR EACH ROW
            WHEN (NEW.customer_id = '{customer.id}') EXECUTE FUNCTION {name}()""")
    try:
        expect(api.owner.post(f"/api/licenses/{customer.id}/revoke", headers=headers), 200)
        assert int(stack.sql(f"SELECT last_value FROM {name}")) > 2
    finally:
        stack.sql(f"DROP TRIGGER {name} ON subscriptions; DROP FUNCTION {name}; "
                  f"DROP SEQUENCE {name}")
    assert stack.sql("SELECT count(*) FROM audit_log WHERE action = 'license_revoke' AND "
                     f"customer_id = '{customer.id}'") == "1"


def test_no_licence_is_issued_during_a_deletion(api, stack):
    """A licence of an ended subscription is issued while the customer is deleted."""
    customer = api.sign_up()
    expect(api.owner.post(f"/api/licenses/{customer.id}/revoke"), 200)
    threads = [
        threading.Thread(target=customer.client.get, args=(f"/api/licenses/{customer.id}",)),
        threading.Thread(target=api.owner.delete, args=(f"/api/customers/{customer.id}",))]
    with locked(stack, "SELECT subscription_id FROM subscriptions "
                       f"WHERE customer_id = '{customer.id}' FOR UPDATE"):
        for number, thread in enumerate(threads, 1):
            thread.start()
            wait_for(lambda number=number: stack.waiting() == number)
    for thread in threads:
        thread.join()
    expect(api.owner.get(f"/api/customers/{customer.id}"), 404, "customer_not_found")
    assert stack.sql("SELECT count(*) FROM licenses WHERE revoked_at IS NULL "
                     f"AND customer_id = '{customer.id}'") == "0"


def test_a_deletion_removes_expired_tokens(api, stack):
    customer = api.sign_up()
    stack.sql("UPDATE licenses SET issued_at = now() - interval '2 hours', "
              "expires_at = now() - interval '1 hour' "
              f"WHERE customer_id = '{customer.id}'")
    expect(api.owner.delete(f"/api/customers/{customer.id}"), 200)
    assert stack.sql("SELECT count(*) FROM licenses WHERE token IS NOT NULL "
                     f"AND customer_id = '{customer.id}'") == "0"


def billingd(stack, *arguments, **more):
    """Runs billingd beside the stack's own until it ends."""
    return subprocess.run([stack.build_dir / "billingd", *arguments], text=True, timeout=120,
                          capture_output=True, check=False,
                          **{**more, "env": {**stack.env, **more.get("env", {})}})


def test_children_are_waited_for_with_sigchld_ignored(stack):
    done = billingd(stack, "--check", preexec_fn=lambda: signal.signal(signal.SIGCHLD,
                                                                       signal.SIG_IGN))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_file_in_the_place_of_the_socket_is_kept(stack, tmp_path):
    file = tmp_path / "precious"
    file.write_text("data", encoding="ascii")
    done = billingd(stack, env={"BILLING_SOCKET": str(file)})
    assert done.returncode == 1 and "no socket" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert file.read_text(encoding="ascii") == "data"
