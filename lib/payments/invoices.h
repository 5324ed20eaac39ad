/* invoices.h: our copies of Stripe's invoices, so that listing them does not wait for
 * Stripe. */
#pragma once

#include "db/page.h"
#include "operation/operation.h"
#include "stripe/objects.h"
#include "json/out.h"

struct invoice {
	const char *invoice_id;
	const char *number; /* NULL until it is finalised */
	const char *status; /* Stripe's: draft, open, paid, uncollectible, void */
	int64_t amount_due; /* in minor units of the currency */
	int64_t amount_paid;
	const char *currency;
	struct instant created_at;
	const char *hosted_invoice_url;
	const char *invoice_pdf;
};

extern const struct statement_list invoice_statements;

/* A page of the invoices, newest first. FAIL_NOT_FOUND "customer_not_found". */
enum fail invoice_list(struct operation *operation, const char *customer_id, struct page *page,
                       const struct invoice **out, size_t *count) MUST_CHECK;

/* Stores an invoice as fetched; `*changed` tells whether the row has changed. */
enum fail invoice_store(struct operation *operation, const char *customer_id,
                        const struct stripe_invoice *invoice, bool *changed) MUST_CHECK;

/* Deletes a draft that was deleted at Stripe. */
enum fail invoice_gone(struct operation *operation, const char *invoice_id) MUST_CHECK;

/* With or without the addresses of Stripe's pages. */
void render_invoice(struct json_out *json, const struct invoice *invoice, bool with_links);
