/* account.h: reads prices, webhook endpoints and meters of the account at Stripe, and compares
 * them with what this service needs. */
#pragma once

#include "billingctl/ctl.h"

/* One of Stripe's prices. */
struct account_price {
	const char *id;
	const char *interval; /* "month", ...; NULL: it is paid once */
	const char *amount;   /* in minor units, a decimal; NULL: it has tiers */
	const char *currency;
	const char *meter; /* the id of the meter that it bills, or NULL */
	int64_t interval_count;
	bool metered;
	bool active;
};

/* A price as PLANS_FILE has it. */
struct account_price_spec {
	const char *interval;
	int64_t interval_count; /* 0: 1 */
	const char *amount; /* in minor units, a decimal; NULL: any amount in any currency */
	const char *currency;
	const char *meter_id; /* the meter that a metered price must bill */
	bool metered;
};

/* A webhook endpoint that sends events to this service; `id` NULL: there is none. */
struct account_endpoint {
	const char *id;
	const char *api_version; /* NULL: the account's own */
	const char *lacks;       /* an event type that it doesn't send; NULL: none */
	bool enabled;
	bool version_fits;
};

void account_price_read(const struct json_view *object, struct account_price *out);

/* NULL when the price is as the spec says; else its fault, to be written behind its id. */
const char *account_price_fault(struct arena *arena, const struct account_price *price,
                                const struct account_price_spec *spec);

/* Fetches a price; `*there` is whether Stripe has it. */
enum fail account_price_look(struct ctl *ctl, const char *id, struct account_price *out,
                             bool *there) MUST_CHECK;

/* The URL for Stripe's events under BASE_URL. */
const char *account_webhook_url(struct ctl *ctl);

/* The endpoint with that URL; of several the best one. */
enum fail account_endpoint_find(struct ctl *ctl, const char *url,
                                struct account_endpoint *out) MUST_CHECK;

/* The meters that plans name, each once, ended by NULL; in the task's arena. */
const char *const *account_meters(struct ctl *ctl);

/* The id of Stripe's active meter for events of that name, or NULL. */
enum fail account_meter_find(struct ctl *ctl, const char *event_name,
                             const char **out) MUST_CHECK;
