"""Usage reports under faults: the acknowledged reports, compared with the stored sums."""

from support.usage_model import Model, Reports


class Sender:
    """Sends reports as the clients of a load, one at a time or in batches, and records which were
    acknowledged. visit() is for each client."""

    def __init__(self, stack, rng):
        self.customers = [stack.api.sign_up().id for _ in range(3)]
        self.reports = Reports(rng.random(), self.customers)
        self.answers = {}
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

    def differences(self, stack):
        """Compares with a model that gets each report once, in the stored order."""
        model = Model()
        for report in sorted(self.answers.values(), key=lambda one: one["id"]):
            model.add(report)
        return model.differences(stack)
