"""Usage reports under faults: what was acknowledged, and whether the sums say the same."""

from support.usage_model import Model, Reports


class Sender:
    """What the clients of a load send, one at a time or in batches, and what they were promised:
    its visit() is what each of them does."""

    def __init__(self, stack, rng):
        self.customers = [stack.api.sign_up().id for _ in range(3)]
        self.reports = Reports(rng.random(), self.customers)
        self.answers = {}
        self.count = 0

    def note(self, report):
        """An acknowledged report: whenever it is sent again, it is the same."""
        key = (report["customer_id"], report["report_id"])
        self.count += 1
        assert self.answers.setdefault(key, report) == report

    async def visit(self, client):
        """One request, however often it takes."""
        if client.rng.random() < 0.7:
            body = self.reports.one()
            answer = await client.insist("POST", "/api/usage/report", body)
            assert answer.status in (200, 201), (answer.status, answer.body)
            self.note(answer.json()["report"])
            return
        items = [self.reports.one() for _ in range(client.rng.randint(2, 20))]
        answer = await client.insist("POST", "/api/usage/reports", {"reports": items})
        assert answer.status == 200, (answer.status, answer.body)
        assert answer.json()["invalid"] == 0
        for one in answer.json()["results"]:
            self.note(one["report"])

    def differences(self, stack):
        """Against a model that is told of each report once, in the order in which they stand."""
        model = Model()
        for report in sorted(self.answers.values(), key=lambda one: one["id"]):
            model.add(report)
        return model.differences(stack)
