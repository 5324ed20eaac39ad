"""The comparisons about Stripe."""

import load
import payments
import peers
import scripts
from load import psql
from measures import SMALL

RECEIVE = "stripe_event_receive"
CONNECTIONS = 8


class PaymentMeasures:
    """More comparisons, whose figures join those of `measures`."""

    def __init__(self, measures, stripe):
        self.measures, self.stripe = measures, stripe
        self.rig = measures.rig

    def _event_script(self):
        """The service's own statement, with an event as large as ours."""
        size = len(payments.event_body("bench_round0_00000"))
        return scripts.write(self.rig.folder / "event.sql", payments.EVENT_SETUP,
                             self.measures.sql[RECEIVE], payments.EVENT_VALUES, size=size)

    def webhooks(self):
        """New signed events against the statement that stores them. No job processes them."""
        measures, script = self.measures, self._event_script()
        secret = self.stripe.webhook_secret
        with self.rig.stripe_jobs_paused():
            for number in range(measures.rounds):
                count = 4000 * load.CORES * measures.seconds
                new = payments.events(secret, f"bench_round{number}", count)
                measures.keep("pgbench event",
                              load.pgbench(self.rig.database(), [script], measures.seconds, 32))
                measures.serve("webhook", measures.requests(f"webhook{number}", new, once=True))
                measures.peers.serve(measures, peers.EVENT, lambda peer, n=number, c=count:
                                     payments.events(secret, f"{peer}_round{n}", c), once=True)
            psql(self.rig.database("postgres"), "TRUNCATE stripe_events")

    def checkouts(self, total):
        """Customers that buy for the first time, against as many of the stand-in's answers as that
        takes: what is left is what we add."""
        measures, stripe = self.measures, self.stripe
        ping = measures.requests("ping", [("GET", "/_control/ping", "Authorization: Bearer "
                                           + stripe.control_token, "")])
        size = min(400 * measures.seconds, (total - SMALL) // (2 * measures.rounds))
        for number in range(measures.rounds):
            # From the end: the others have looked at their licences.
            first = total - (number + 1) * size + 1
            wishes = payments.checkouts(range(first, first + size))
            measures.keep("ping", load.wrk(stripe.url, ping, measures.seconds, CONNECTIONS))
            stripe.control("requests/reset", {})
            result = measures.serve("checkout",
                                    measures.requests(f"checkout{number}", wishes, once=True),
                                    CONNECTIONS)
            asked = len(stripe.control("requests"))
            measures.asked.append(asked / result.count)


def workers_cpu(measures):
    """The CPU time of billingd's processes for an event, over nginx's for `return 200`."""
    return [event.cpu_us["billingd"] / alone.all_cpu_us
            for event, alone in zip(measures.figures["webhook"], measures.figures["return200"])]


def answers(measures):
    """Checkouts a second times the answers that each takes, over the stand-in's rate."""
    return [checkout.rate * asked / ping.rate
            for checkout, asked, ping in zip(measures.figures["checkout"], measures.asked,
                                             measures.figures["ping"])]
