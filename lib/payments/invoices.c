/* invoices.c: our copies of Stripe's invoices. */
#include "payments/invoices.h"

#include "billing/customers.h"
#include "db/render.h"

enum { LIST, STORE, GONE };

extern const char payments_invoice_store_sql[]; /* invoice_store.sql */

static const struct statement statements[] = {
        [LIST] = {"invoice_list",
                  ROWS_WITH(struct invoice, invoice_id, number, status, amount_due, amount_paid,
                            currency, created_at, hosted_invoice_url, invoice_pdf),
                  .sql = "SELECT invoice_id, number, status, amount_due, amount_paid, "
                         "currency, created_at, hosted_invoice_url, invoice_pdf FROM invoices "
                         "WHERE customer_id = $1 AND (created_at, invoice_id) < "
                         "(COALESCE($2::timestamptz, 'infinity'), COALESCE($3, '')) "
                         "ORDER BY created_at DESC, invoice_id DESC LIMIT $4::bigint"},
        [STORE] = {"invoice_store", .sql = payments_invoice_store_sql},
        [GONE] = {"invoice_gone",
                  .sql = "DELETE FROM invoices WHERE invoice_id = $1 AND status = 'draft'"},
};

const struct statement_list invoice_statements = STATEMENT_LIST(statements);

enum fail
invoice_list(struct operation *operation, const char *customer_id, struct page *page,
             const struct invoice **out, size_t *count)
{
	struct task *task = operation->task;
	struct customer customer;

	TRY(db_rows(operation->db, task, &statements[LIST],
	            PARAMETERS(customer_id, param_time(task, page->at), page->id,
	                       page_limit(task, page)),
	            (void *)out, count));
	if (page_has_next(page, count))
		page->next = page_cursor(task, (*out)[*count - 1].created_at,
		                         (*out)[*count - 1].invoice_id);
	return *count > 0 ? FAIL_NONE : customer_find(operation, customer_id, &customer);
}

enum fail
invoice_store(struct operation *operation, const char *customer_id,
              const struct stripe_invoice *invoice, bool *changed)
{
	struct task *task = operation->task;
	int64_t rows;

	TRY(db_run(operation->db, task, &statements[STORE],
	           PARAMETERS(invoice->id, customer_id, invoice->subscription, invoice->number,
	                      invoice->status, invoice->billing_reason,
	                      param_int(task, invoice->amount_due),
	                      param_int(task, invoice->amount_paid), invoice->currency,
	                      param_time(task, invoice->created), invoice->hosted_invoice_url,
	                      invoice->invoice_pdf, param_now(operation)),
	           &rows));
	*changed = rows > 0;
	return FAIL_NONE;
}

enum fail
invoice_gone(struct operation *operation, const char *invoice_id)
{
	return db_run(operation->db, operation->task, &statements[GONE], PARAMETERS(invoice_id),
	              NULL);
}

static const struct column invoice_columns[] =
        COLUMNS(struct invoice, number, status, amount_due, amount_paid, currency, created_at);
static const struct column invoice_links[] =
        COLUMNS(struct invoice, hosted_invoice_url, invoice_pdf);

void
render_invoice(struct json_out *json, const struct invoice *invoice, bool with_links)
{
	json_out_open(json, NULL, '{');
	json_out_string(json, "id", invoice->invoice_id);
	render_members(json, invoice_columns, invoice);
	if (with_links)
		render_members(json, invoice_links, invoice);
	json_out_close(json, '}');
}
