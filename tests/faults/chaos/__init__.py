"""What the fault tests share: clients that keep on asking, the ledger of what they were told, a
billingd and a PostgreSQL that can be broken."""
