"""Usage reports under faults: the acknowledged reports, compared with the stored sums."""

import uuid

from support.usage_model import Model, Reports


class Sender:
    """Sends reports as the clients of a load, one at a time or in batches, and records which were
    acknowledged. visit() is for each client."""

    def __init__(self, stack, rng):
        self.customers = [stack.api.sign_up().id for _ in range(3)]
        self.reports = Reports(rng.random(), self.customers)
        self.answers = {}
        self.corrections = {}  # (customer, id of the report) -> correction
        self.count = 0

    def record(self, report):
        """Records an acknowledged report; when it is sent again, the answer must be the same."""
        key = (report["customer_id"], report["report_id"])
        self.count += 1
        assert self.answers.setdefault(key, report) == report

    async def visit(self, client):
        """One request, with retries."""
        if client.rng.random() < 0.7:
            body = self.reports.one()
            answer = await client.insist("POST", "/api/usage/report", body)
            assert answer.status in (200, 201), (answer.status, answer.body)
            self.record(answer.json()["report"])
            return
        items = [self.reports.one() for _ in range(client.rng.randint(2, 20))]
        answer = await client.insist("POST", "/api/usage/reports", {"reports": items})
        assert answer.status == 200, (answer.status, answer.body)
        assert answer.json()["invalid"] == 0
        for one in answer.json()["results"]:
            self.record(one["report"])

    async def correct(self, client):
        """Corrects a report that was acknowledged and not corrected before."""
        report = client.rng.choice(list(self.answers.values()))
        key = (report["customer_id"], report["id"])
        if key in self.corrections:
            return
        self.corrections[key] = None  # no other client corrects it
        devices = client.rng.randint(0, 50)
        answer = await client.insist(
            "POST", f"/api/usage/{report['customer_id']}/corrections", {
                "id": report["id"], "reason": "chaos", "active_devices": devices,
                "total_devices": 50, "metrics": {"api_calls": devices}},
            idempotency_key=uuid.UUID(int=client.rng.getrandbits(128)).hex)
        assert answer.status == 201, (answer.status, answer.body)
        self.corrections[key] = answer.json()["report"]

    def differences(self, stack):
        """Compares with a model that gets each report once, in the stored order."""
        model = Model()
        made = [*self.answers.values(), *filter(None, self.corrections.values())]
        for report in sorted(made, key=lambda one: one["id"]):
            model.add(report, (report["customer_id"], report["id"]) in self.corrections)
        return model.differences(stack)
