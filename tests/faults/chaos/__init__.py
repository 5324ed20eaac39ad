"""Shared by the fault tests: clients that retry, the ledger of their answers, and a billingd and a
PostgreSQL that tests can break."""
