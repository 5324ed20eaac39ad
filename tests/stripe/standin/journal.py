"""The record of all requests to the API, for tests to assert on. Keys are left out."""

import threading

MAX_LENGTH = 20_000


class Journal:
    """The record; it forgets its older half when it is full."""

    def __init__(self):
        self.lock = threading.Lock()
        self.records = []
        self.count = 0

    def add(self, request):
        """Notes a request. Gives its record, to be completed with the answer."""
        record = {
            "method": request.method, "path": request.path, "query": request.query,
            "headers": {name: value for name, value in request.headers.items()
                        if name != "authorization"},
            "body": request.body.decode("utf-8", "replace"), "params": None,
            "idempotency_key": request.headers.get("idempotency-key"),
            "connection": request.connection, "time": request.time, "status": None,
            "fault": None, "request_id": None, "replayed": False,
        }
        with self.lock:
            self.count += 1
            record["number"] = self.count
            if len(self.records) >= MAX_LENGTH:
                del self.records[:MAX_LENGTH // 2]
            self.records.append(record)
        return record

    def under_way(self):
        """How many requests have no answer yet."""
        with self.lock:
            return sum(record["status"] is None for record in self.records)

    def reset(self):
        """Begins anew."""
        with self.lock:
            self.records = []
