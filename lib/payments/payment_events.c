/* payment_events.c: the events of payments. Stripe's events come repeatedly and in any order, so it is the
 * invoice as fetched that counts. */
#include "payments/payment_events.h"

#include "base/arena.h"
#include "base/text.h"
#include "events/event_keys.h"
#include "payments/invoices.h"

/* The words of Stripe's events in work on an unpaid invoice, and since when events are written. */
struct signs {
	bool failed;
	bool needs_action;
	struct instant since;
};

enum { SIGNS };

static const struct statement statements[] = {
        [SIGNS] = {"payment_signs", ROWS_WITH(struct signs, failed, needs_action, since),
                   .sql = "SELECT COALESCE(bool_or(type = 'invoice.payment_failed'), false) "
                          "AS failed, "
                          "COALESCE(bool_or(type = 'invoice.payment_action_required'), false) "
                          "AS needs_action, (SELECT since FROM reminder_start) AS since "
                          "FROM stripe_events WHERE family = 'invoice' AND subject = $1 "
                          "AND state IN ('pending', 'parked')"},
};

const struct statement_list payment_event_statements = STATEMENT_LIST(statements);

/* The invoice as the API shows it, without the addresses of Stripe's pages, at which anybody can pay. */
static const char *
data_of(struct operation *operation, const struct stripe_invoice *invoice)
{
	struct json_out json = json_out_new(operation->task->arena, 512);
	struct invoice shown = {.invoice_id = invoice->id,
	                        .number = invoice->number,
	                        .status = invoice->status,
	                        .amount_due = invoice->amount_due,
	                        .amount_paid = invoice->amount_paid,
	                        .currency = invoice->currency,
	                        .created_at = invoice->created};

	render_invoice(&json, &shown, false);
	return json.text.data;
}

static enum fail
tell(struct operation *operation, enum event_type type, const char *customer_id,
     const struct stripe_invoice *invoice, int64_t attempt)
{
	const char *key = arena_printf(operation->task->arena, "%s %s %lld",
	                               event_type_name(type), invoice->id, (long long)attempt);

	return event_write_once(operation, type, customer_id, key, data_of(operation, invoice),
	                        NULL);
}

enum fail
payment_events_write(struct operation *operation, const char *customer_id,
                     const struct stripe_invoice *invoice)
{
	bool paid = text_equal(invoice->status, "paid");
	struct signs signs = {false};
	bool found;

	if (paid ? invoice->amount_paid <= 0
	         : !text_equal(invoice->status, "open") &&
	                    !text_equal(invoice->status, "uncollectible"))
		return FAIL_NONE;
	TRY(db_row(operation->db, operation->task, &statements[SIGNS], PARAMETERS(invoice->id),
	           &signs, &found));
	/* An invoice from before the update is stored again at times. */
	if (paid)
		return invoice->paid_at.known && invoice->paid_at.ms <= signs.since.ms
		               ? FAIL_NONE
		               : tell(operation, EVENT_PAYMENT_SUCCEEDED, customer_id, invoice,
		                      0);
	if (signs.failed)
		TRY(tell(operation, EVENT_PAYMENT_FAILED, customer_id, invoice,
		         invoice->attempts));
	if (signs.needs_action)
		TRY(tell(operation, EVENT_PAYMENT_ACTION_REQUIRED, customer_id, invoice,
		         invoice->attempts));
	return FAIL_NONE;
}
