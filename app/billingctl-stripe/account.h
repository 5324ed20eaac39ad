/*
 * account.h: what this installation wants of its account at Stripe, and whether it is there.
 */
#ifndef BILLINGCTL_STRIPE_ACCOUNT_H
#define BILLINGCTL_STRIPE_ACCOUNT_H

#include "billingctl/ctl.h"

/* One of Stripe's prices. */
struct account_price {
	const char *id;
	const char *product;
	const char *interval; /* "month", ...; NULL: it is paid once */
	const char *currency;
	int64_t interval_count;
	int64_t amount_minor;       /* -1: not a whole one */
	const char *amount_decimal; /* the same, a decimal */
	const char *meter;          /* of a metered one: the meter's id */
	bool metered;
	bool active;
};

/* What a price must be; `amount_minor` -1: any amount in any currency. */
struct account_price_spec {
	const struct plan *plan;
	const char *interval;
	int64_t amount_minor;
};

/* What a metered price must be; `amount_minor` NULL: any amount. */
struct account_metered_spec {
	const char *meter_id;
	const char *interval;
	const char *amount_minor;
	const char *currency;
};

/* A webhook endpoint that sends to us; `id` NULL: there is none. */
struct account_endpoint {
	const char *id;
	const char *api_version; /* NULL: the account's own */
	const char *lacks;       /* an event type that it doesn't send; NULL: none */
	bool enabled;
	bool version_fits;
};

void account_price_read(const struct json_view *object, struct account_price *out);

/* NULL when it can be sold so; else what is wrong, to go behind its id. */
const char *account_price_fault(struct arena *arena, const struct account_price *price,
                                const struct account_price_spec *spec);

/* The same of a price that bills a meter's use. */
const char *account_metered_fault(struct arena *arena, const struct account_price *price,
                                  const struct account_metered_spec *spec);

/* Asks for it; `*there` is whether Stripe has it. */
enum fail account_price_look(struct ctl *ctl, const char *id, struct account_price *out,
                             bool *there) MUST_CHECK;

/* BASE_URL's address for Stripe's events. */
const char *account_webhook_url(struct ctl *ctl);

/* The endpoint with that URL, the best when there are several. */
enum fail account_endpoint_find(struct ctl *ctl, const char *url,
                                struct account_endpoint *out) MUST_CHECK;

/* A meter that a plan names, or NULL: walk them with `n` from 0 until it is account_meter_max(). */
size_t account_meter_max(const struct ctl *ctl);
const char *account_meter(const struct ctl *ctl, size_t n);

/* The id of Stripe's active meter for events of that name, or NULL. */
enum fail account_meter_find(struct ctl *ctl, const char *event_name,
                             const char **out) MUST_CHECK;

#endif
