"""Instances: known by their reports, activated and released any number of times."""

import concurrent.futures

from support.client import expect, patiently
from support.payments import buy


def path_of(customer, instance=""):
    """The address of all instances, or of one."""
    return f"/api/customers/{customer.id}/instances" + (f"/{instance}" if instance else "")


def instances(client, customer):
    """All instances, page by page, by id."""
    found, cursor = {}, ""
    while cursor is not None:
        page = expect(client.get(path_of(customer) + "?limit=2" +
                                 (f"&cursor={cursor}" if cursor else "")), 200)
        assert page["customer_id"] == customer.id
        found.update((one["instance_id"], one) for one in page["instances"])
        cursor = page["next_cursor"]
    return found


def report(client, customer, instance, **more):
    """A report of that instance."""
    return expect(client.post("/api/usage/report", {
        "customer_id": customer.id, "instance_id": instance, **more}), 201)


def count_in_use(customer):
    """The level as the limits say it."""
    limits = expect(customer.client.get(f"/api/usage/{customer.id}/limits"), 200)
    return limits["instances"]["current"]


def test_a_report_makes_an_instance_known(api):
    customer = api.sign_up()
    assert instances(api.viewer, customer) == {}
    first = report(customer.client, customer, "a", active_devices=1, total_devices=2,
                   metrics={"storage_mb": 3})["report"]
    last = report(customer.client, customer, "a", active_devices=2, total_devices=2)["report"]
    for name in "bcde":
        report(customer.client, customer, name)
    found = instances(customer.client, customer)
    assert list(found) == list("abcde")
    one = found["a"]
    assert one["first_seen_at"] == first["reported_at"] and one["state"] == "active"
    assert one["last_seen_at"] == one["latest_reported_at"] == last["reported_at"]
    assert (one["active_devices"], one["total_devices"], one["metrics"]) == (2, 2, {})
    assert one["activated_at"] is one["released_at"] is None
    assert instances(api.owner, api.sign_up()) == {}


def test_version(api):
    """The newest report that has a version tells it, one by one and in a batch; none and null leave it."""
    customer = api.sign_up()
    for sent, shown in (({}, None), ({"version": "3.1.4"}, "3.1.4"), ({"version": None}, "3.1.4"),
                        ({"version": "~" * 64}, "~" * 64), ({}, "~" * 64), ({"version": "!"}, "!")):
        assert "version" not in report(customer.client, customer, "a", **sent)["report"]
        assert instances(api.viewer, customer)["a"]["version"] == shown
    batch = expect(customer.client.post("/api/usage/reports", {"reports": [
        {"customer_id": customer.id, "instance_id": name, **sent} for name, sent in (
            ("a", {"version": "3.2.0 (build 7)"}), ("a", {}), ("b", {}))]}), 200)
    assert batch["created"] == 3
    found = instances(customer.client, customer)
    assert (found["a"]["version"], found["b"]["version"]) == ("3.2.0 (build 7)", None)
    for changed in (customer.client.put(path_of(customer, "a")), customer.client.delete(path_of(customer, "a"))):
        assert expect(changed, 200)["instance"]["version"] == "3.2.0 (build 7)"
    listed = api.stack.billingctl("instance", "list", customer.id).stdout
    assert "version" in listed and "3.2.0 (build 7)" in listed


def test_activate_and_release(api, stack):
    customer = api.sign_up()
    path = path_of(customer, "plant-7")
    made = expect(customer.client.put(path, {"lease_hours": 1}), 201)["instance"]
    assert made["state"] == "active" and made["activated_at"] == made["first_seen_at"]
    # A second activation is of the same instance. It extends the lease and never shortens it.
    again = expect(customer.client.put(path), 200)["instance"]
    assert again["activated_at"] == made["activated_at"]
    assert again["lease_expires_at"] > made["lease_expires_at"]
    assert expect(customer.client.put(path, {"lease_hours": 1}), 200)["instance"][
        "lease_expires_at"] == again["lease_expires_at"]
    assert count_in_use(customer) == 1
    gone = expect(customer.client.delete(path), 200)["instance"]
    assert gone["state"] == "released" and gone["lease_expires_at"] == gone["released_at"]
    # A second release changes nothing, and is not recorded.
    assert expect(customer.client.delete(path), 200)["instance"] == gone
    assert count_in_use(customer) == 0
    # A late report from before the release does not take the instance into use again; a newer one
    # does.
    report(customer.client, customer, "plant-7", reported_at=made["first_seen_at"])
    assert count_in_use(customer) == 0
    assert instances(api.owner, customer)["plant-7"]["state"] == "released"
    report(customer.client, customer, "plant-7")
    back = instances(api.owner, customer)["plant-7"]
    assert (back["state"], back["released_at"]) == ("active", None) and count_in_use(customer) == 1
    expect(customer.client.delete(path), 200)
    assert expect(customer.client.put(path), 201)["instance"]["state"] == "active"
    assert stack.sql("SELECT string_agg(action, ' ' ORDER BY audit_id) FROM audit_log WHERE "
                     f"customer_id = '{customer.id}' AND subject = 'plant-7'") == (
        "instance_activate instance_release instance_release instance_activate")


def test_a_lease_ends(api, stack):
    customer = api.sign_up()
    path = path_of(customer, "a")
    expect(customer.client.put(path), 201)
    stack.sql("UPDATE instances SET lease_expires_at = now() - interval '1 s' WHERE customer_id = "
              f"'{customer.id}'")
    assert instances(api.viewer, customer)["a"]["state"] == "expired"
    assert count_in_use(customer) == 0
    expect(customer.client.put(path), 201)


def test_refusals(api):
    customer, other = api.sign_up(), api.sign_up()
    expect(customer.client.put(path_of(customer, "a"), {"lease_hours": 0}), 400, "invalid_request")
    expect(customer.client.put(path_of(customer, "a"), {"lease_hours": 8761}), 400,
           "invalid_request")
    expect(customer.client.put(path_of(customer, "a"), {"x": 1}), 400, "invalid_request")
    expect(customer.client.put(path_of(customer, "a%20b")), 400, "invalid_request")
    expect(customer.client.put(path_of(customer, "x" * 101)), 400, "invalid_request")
    expect(customer.client.put(path_of(customer, "a"), data="a=b",
                               headers={"Content-Type": "text/plain"}), 415, "invalid_media_type")
    expect(customer.client.delete(path_of(customer, "a")), 404, "instance_not_found")
    expect(customer.client.delete(path_of(customer, "a%20b")), 404, "instance_not_found")
    expect(customer.client.get(path_of(customer) + "?cursor=x"), 400, "invalid_request")
    expect(api.owner.put(f"/api/customers/cust_{'0' * 32}/instances/a"), 404, "customer_not_found")
    for method in ("PUT", "DELETE"):
        expect(other.client.request(method, path_of(customer, "a")), 404, "customer_not_found")
        expect(api.viewer.request(method, path_of(customer, "a")), 403, "forbidden")
    assert instances(api.owner, customer) == {}


def test_the_bound_is_exact_for_concurrent_activations(bounded):
    api = bounded.api
    customer = api.sign_up()
    report(customer.client, customer, "reporter")

    def put(number):
        client = api.keyed(customer.api_key)
        return patiently(client.put, path_of(customer, f"i{number}")).status_code

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        statuses = sorted(pool.map(put, range(20)))
    assert statuses == [201] * 3 + [409] * 17
    refused = expect(customer.client.put(path_of(customer, "more")), 409, "instance_limit")
    assert "3 instances and 1 more, and 4 are in use" in refused["error"]
    taken = [name for name in instances(api.owner, customer) if name != "reporter"]
    assert len(taken) == 3 and "more" not in taken
    expect(customer.client.put(path_of(customer, taken[0])), 200)
    expect(customer.client.delete(path_of(customer, taken[0])), 200)
    expect(customer.client.put(path_of(customer, "more")), 201)
    # Reports over the bound are stored, and the answer says so.
    limits = report(customer.client, customer, "fifth", metrics={"api_calls": 250})["limits"]
    assert limits["instances"] == {"current": 5, "max": 3, "percent_used": 166.7}
    assert limits["metrics"]["api_calls"] == {"current": 250, "max": 100, "percent_used": 250.0}
    expect(customer.client.put(path_of(customer, "fifth")), 409, "instance_limit")


def test_kinds_and_transfers(api, stack):
    """The shipped plans count all kinds alike."""
    customer = api.sign_up()
    for path, kind in (("a", "staging"), ("b", "production")):
        made = expect(customer.client.put(path_of(customer, path), {"kind": kind}), 201)["instance"]
        assert made["kind"] == kind
    assert expect(customer.client.put(path_of(customer, "a")), 200)["instance"]["kind"] == "staging"
    assert {name: one["kind"] for name, one in instances(api.viewer, customer).items()} == {
        "a": "staging", "b": "production"}
    limits = expect(customer.client.get(f"/api/usage/{customer.id}/limits"), 200)
    assert limits["instances"]["current"] == 2 and "non_production" not in limits
    for kind in ("", "Production", "test", 1, ["staging"]):
        expect(customer.client.put(path_of(customer, "a"), {"kind": kind}), 400, "invalid_request")
    transfer = path_of(customer, "a") + "/transfer"
    moved = expect(customer.client.post(transfer, {"to": "c"}), 200)
    assert (moved["instance"]["instance_id"], moved["instance"]["kind"]) == ("c", "staging")
    assert expect(customer.client.post(transfer, {"to": "c"}), 200) == moved
    for body, status, code in (({"to": "d"}, 409, "instance_not_in_use"),
                               ({"to": "a"}, 400, "invalid_request"), ({}, 400, "invalid_request"),
                               ({"to": "x y"}, 400, "invalid_request")):
        expect(customer.client.post(transfer, body), status, code)
    expect(customer.client.post(path_of(customer, "c") + "/transfer", {"to": "b"}), 409,
           "instance_in_use")
    expect(customer.client.post(path_of(customer, "z") + "/transfer", {"to": "b"}), 404,
           "instance_not_found")
    assert count_in_use(customer) == 2
    assert instances(api.owner, customer)["a"]["state"] == "released"
    assert stack.sql("SELECT string_agg(concat_ws(' ', action, subject, detail), ', ' ORDER BY "
                     f"audit_id) FROM audit_log WHERE customer_id = '{customer.id}' AND action LIKE "
                     "'instance%'") == ("instance_activate a staging, instance_activate b, "
                                        "instance_transfer a c")


def test_other_kinds_than_production_have_an_allowance(bounded):
    """A paying customer's plan covers two of production and one of other kinds."""
    customer = bounded.api.sign_up()
    buy(bounded, customer, "enterprise")
    put = customer.client.put
    for name, kind in (("a", "production"), ("b", "production"), ("c", "development")):
        expect(put(path_of(customer, name), {"kind": kind}), 201)
    assert "2 production instances and 0 more, and 2" in expect(
        put(path_of(customer, "d")), 409, "instance_limit")["error"]
    assert "1 instances for staging and development, and 1" in expect(
        put(path_of(customer, "d"), {"kind": "staging"}), 409, "instance_limit")["error"]
    limits = expect(customer.client.get(f"/api/usage/{customer.id}/limits"), 200)
    assert limits["instances"] == {"current": 2, "max": 2, "percent_used": 100.0}
    assert limits["non_production"] == {"current": 1, "max": 1, "percent_used": 100.0}
    # A report takes no kind, and keeps that of the instance.
    limits = report(customer.client, customer, "c")["limits"]
    assert limits["non_production"]["current"] == 1
    expect(customer.client.delete(path_of(customer, "a")), 200)
    expect(put(path_of(customer, "c"), {"kind": "production"}), 200)
    expect(put(path_of(customer, "c"), {"kind": "production"}), 200)
    limits = expect(customer.client.get(f"/api/usage/{customer.id}/limits"), 200)
    assert (limits["instances"]["current"], limits["non_production"]["current"]) == (2, 0)
    assert bounded.sql("SELECT detail FROM audit_log WHERE action = 'instance_kind' AND customer_id "
                       f"= '{customer.id}'") == "development -> production"
