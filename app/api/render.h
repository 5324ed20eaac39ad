/* render.h: each resource as JSON, the same wherever it appears. */
#pragma once

#include "api/api.h"
#include "billing/render.h"
#include "callers/sessions.h"
#include "contracts/contracts.h"
#include "db/render.h"
#include "issuing/license_records.h"
#include "payments/invoices.h"
#include "payments/reversals.h"
#include "json/out.h"

/* `current` is the id of the session that asks, or NULL. */
void render_session(struct json_out *json, const char *name, const struct session *session,
                    const char *current);

/* The answer of a call: one object, opened and then closed and sent with the status. */
struct json_out answer_begin(const struct call *call, size_t capacity);
enum fail answer_end(struct call *call, int status, struct json_out *json) MUST_CHECK;

/* Ends the answer of a list (200) with the limit of the page and the cursor of the next one. */
enum fail answer_page(struct call *call, struct json_out *json,
                      const struct page *page) MUST_CHECK;

/* Sets ETag and Cache-Control. True, with status 304, when the client has what the tag names already. */
bool answer_not_modified(struct call *call, const char *tag, const char *cache_control);
/* {"message", name: id} */
enum fail answer_message(struct call *call, const char *message, const char *name,
                         const char *id) MUST_CHECK;

void render_values(struct json_out *json, enum value_kind kind,
                   const struct license_values *values);

/* Adds "over_limit", a list of {name, limit, in_use}: the limits, and features that are integers, of the
 * plan with this purchase that the customer uses more of now. Nothing is refused for that. */
enum fail render_over_limit(struct call *call, struct json_out *json, const char *customer_id,
                            const char *plan, const struct purchase *purchase) MUST_CHECK;

/* One notice by e-mail, as an item of a list. */
struct notice;
void render_notice(struct json_out *json, const struct notice *notice);
