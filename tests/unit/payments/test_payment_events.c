/* test_payment_events.c: each payment is told once, by what the invoice is when it was fetched. */
#include "support/billing_fixture.h"

#include "payments/payment_events.h"

static int64_t
written(const char *type)
{
	return count_of("SELECT count(*) FROM events WHERE customer_id = ",
	                arena_printf(task.arena, " AND type = '%s'", type));
}

/* The numbers of payment.failed, payment.action_required and payment.succeeded. */
static void
are_written(int failed, int action, int succeeded)
{
	ck_assert_int_eq(written("payment.failed"), failed);
	ck_assert_int_eq(written("payment.action_required"), action);
	ck_assert_int_eq(written("payment.succeeded"), succeeded);
}

static const char *
invoice_id(void)
{
	return arena_printf(task.arena, "in_%s", customer_id);
}

/* An event of Stripe's waits, or is in work. */
static void
receive(const char *type)
{
	change(arena_printf(task.arena,
	                    "INSERT INTO stripe_events (event_id, type, livemode, happened_at, "
	                    "received_at, origin, family, subject, state, next_try_at) SELECT "
	                    "'%s', '%s', false, now(), now(), 'webhook', 'invoice', '%s', "
	                    "'pending', now() FROM customers WHERE customer_id = ",
	                    random_id(task.arena, "evt_", 8), type, invoice_id()),
	       "");
}

static void
finish(void)
{
	change("UPDATE stripe_events SET state = 'done', next_try_at = NULL, finished_at = "
	       "now() "
	       "WHERE subject = 'in_' || ",
	       "");
}

static void
fetched(const char *status, int64_t attempts, int64_t paid)
{
	const struct stripe_invoice invoice = {.id = invoice_id(),
	                                       .status = status,
	                                       .currency = "usd",
	                                       .amount_due = 2900,
	                                       .amount_paid = paid,
	                                       .attempts = attempts,
	                                       .created = INSTANT_MS(operation.now_ms),
	                                       .hosted_invoice_url = "https://pay"};

	fine(db_begin(operation.db, &task));
	fine(payment_events_write(&operation, customer_id, &invoice));
	fine(db_commit(operation.db, &task));
}

START_TEST(test_failures)
{
	fetched("open", 0, 0);
	are_written(0, 0, 0);
	receive("invoice.payment_failed");
	fetched("open", 1, 0);
	fetched("open", 1, 0);
	are_written(1, 0, 0);
	finish();
	receive("invoice.finalized");
	fetched("open", 2, 0);
	are_written(1, 0, 0);
	receive("invoice.payment_failed");
	receive("invoice.payment_action_required");
	fetched("open", 2, 0);
	are_written(2, 1, 0);
	finish();
	receive("invoice.paid");
	fetched("paid", 3, 2900);
	fetched("paid", 3, 2900);
	are_written(2, 1, 1);
	/* A failure that arrives after the payment is none. */
	receive("invoice.payment_failed");
	fetched("paid", 3, 2900);
	are_written(2, 1, 1);
	ck_assert_int_eq(count_of("SELECT count(*) FROM events WHERE data::text ~ 'https' "
	                          "AND customer_id = ",
	                          ""),
	                 0);
}
END_TEST

/* Nothing was paid for a trial, and an invoice that was paid before events were written is old. */
START_TEST(test_no_payments)
{
	struct stripe_invoice invoice = {.id = invoice_id(),
	                                 .status = "paid",
	                                 .currency = "usd",
	                                 .amount_paid = 2900,
	                                 .created = INSTANT_MS(operation.now_ms),
	                                 .paid_at = INSTANT_MS(1000)};

	fetched("paid", 0, 0);
	fetched("draft", 0, 0);
	fetched("void", 1, 0);
	fine(db_begin(operation.db, &task));
	fine(payment_events_write(&operation, customer_id, &invoice));
	fine(db_commit(operation.db, &task));
	are_written(0, 0, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("payment_events");
	TCase *tcase = fixture_case("payments");

	tcase_add_test(tcase, test_failures);
	tcase_add_test(tcase, test_no_payments);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
