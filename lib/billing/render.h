/* render.h: customers and subscriptions as the API and the events show them. */
#pragma once

#include "billing/customers.h"
#include "billing/subscriptions.h"
#include "json/out.h"

/* `name` is the member's name, NULL within an array and for the outermost value. */
void render_customer(struct json_out *json, const char *name, const struct customer *customer);

/* The objects alone, as events have them. */
const char *customer_text(struct arena *arena, const struct customer *customer);
const char *subscription_text(const struct operation *operation,
                              const struct subscription *subscription);

/* With the plan and the status of the subscription that counts. */
void render_listed_customer(struct json_out *json, const struct customer *customer);

/* NULL renders null. The status is computed for `now_ms`. */
void render_subscription(struct json_out *json, const char *name,
                         const struct subscription *subscription, int64_t now_ms);
