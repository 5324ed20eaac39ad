/* render.h: each resource as JSON, the same wherever it appears. */
#pragma once

#include "api/api.h"
#include "billing/customers.h"
#include "contracts/contracts.h"
#include "issuing/licenses.h"
#include "sync/invoices.h"
#include "sync/reversals.h"
#include "json/out.h"

/* The answer of a call: one object, opened and then closed and sent with the status. */
struct json_out answer_begin(const struct call *call, size_t capacity);
enum fail answer_end(struct call *call, int status, struct json_out *json) MUST_CHECK;
/* {"message", name: id} */
enum fail answer_message(struct call *call, const char *message, const char *name,
                         const char *id) MUST_CHECK;

/* The members that the table names, alone or as an object. The table has no COLUMN_BYTES. */
void render_members(struct json_out *json, const struct column *columns, const void *row);
void render_row(struct json_out *json, const char *name, const struct column *columns,
                const void *row);

/* `name` is the member's name, NULL within an array. */
void render_customer(struct json_out *json, const char *name, const struct customer *customer);

/* NULL renders null. The status is computed for `now_ms`. */
void render_listed_customer(struct json_out *json, const struct customer *customer);
void render_subscription(struct json_out *json, const char *name,
                         const struct subscription *subscription, int64_t now_ms);
void render_key(struct json_out *json, const char *name, const struct api_key *key);
void render_reversal(struct json_out *json, const struct reversal *reversal);
/* With or without the addresses of Stripe's pages. */
void render_invoice(struct json_out *json, const struct invoice *invoice, bool with_links);
void render_license_row(struct json_out *json, const struct issued_license *license);

/* A contract with all its versions, and a page of a customer's contracts as the member "contracts".
 * Notes are for operators alone. */
enum fail render_contract(struct operation *operation, struct json_out *json, const char *name,
                          struct contract contract, bool with_notes) MUST_CHECK;
enum fail render_contracts(struct operation *operation, struct json_out *json,
                           const char *customer_id, struct page *page,
                           bool with_notes) MUST_CHECK;

void render_values(struct json_out *json, enum value_kind kind,
                   const struct license_values *values);

/* Adds "over_limit", a list of {name, limit, in_use}: the limits, and features that are integers, of the
 * plan with this purchase that the customer uses more of now. Nothing is refused for that. */
enum fail render_over_limit(struct call *call, struct json_out *json, const char *customer_id,
                            const char *plan, const struct purchase *purchase) MUST_CHECK;
