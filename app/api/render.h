/*
 * render.h: each resource as JSON, the same wherever it appears.
 */
#ifndef API_RENDER_H
#define API_RENDER_H

#include "base/json_out.h"
#include "billing/customers.h"
#include "billing/licenses.h"
#include "sync/invoices.h"

/* `name` is the member's name, NULL within an array. */
void render_customer(struct json_out *json, const char *name, const struct customer *customer);

/* NULL renders null. The status is computed for `now_ms`. */
void render_subscription(struct json_out *json, const char *name,
                         const struct subscription *subscription, int64_t now_ms);
void render_key(struct json_out *json, const char *name, const struct api_key *key);
void render_invoice(struct json_out *json, const struct invoice *invoice);
void render_license_row(struct json_out *json, const struct issued_license *license);

/* {"license", "customer_id", "plan", "status"}: the answer of every call that issues a
 * licence. */
struct json_out render_license(struct arena *arena, const char *customer_id,
                               const struct issued_license *license,
                               const struct subscription *subscription, int64_t now_ms);

void render_features(struct json_out *json, const struct license_features *features);
void render_limits(struct json_out *json, const struct license_limits *limits);

/* {"message", name: id} */
struct json_out render_message(struct arena *arena, const char *message, const char *name,
                               const char *id);

#endif
