/* operation.h: the context of one billing operation: its task, the database, the rules of this
 * installation, and the actor. */
#pragma once

#include <stdatomic.h>

#include "base/failure.h"
#include "db/db.h"
#include "licensing/keys.h"
#include "operation/prices.h"
#include "plans/brand.h"
#include "plans/plans.h"

/* The greatest grace that a customer can set. */
enum { GRACE_DAYS_MAX = 365 };

/* How long licences, access, leases and reports last. A day has 24 hours. */
struct billing_policy {
	const char *issuer; /* the licences' `iss` */
	int64_t license_ttl_days;
	bool paid_through; /* licences end with the paid period, not a fixed time after issue */
	int64_t license_grace_days;
	int64_t past_due_grace_days;
	int64_t revocations_ttl_hours;
	const char *revocations_file; /* keeps the published list beside the database */
	const char *audit_heads_file; /* keeps the signed heads of the audit trail's chain */
	int64_t offline_warn_days; /* without a newer licence or list, until verifiers warn; 0: never */
	int64_t offline_stale_days; /* until the licence is stale; 0: never */
	int64_t max_grace_days; /* greatest grace that a licence allows; GRACE_DAYS_MAX: any */
	int64_t instance_lease_hours;  /* an instance is in use so long after its last report */
	int64_t sign_ups_per_hour;     /* without a key of an operator, at most */
	int64_t new_instances_per_day; /* new ones that a customer's reports may name */
	int64_t usage_retention_days;  /* raw reports are kept so long */
	int64_t event_retention_days;  /* and events */
};

/* How this service sells through Stripe. */
struct sales_policy {
	bool configured; /* there is a key */
	bool live;       /* the key is a live one: events of the other mode are ignored */
	const char *webhook_secrets;
	const char *base_url;       /* its origin may always be returned to */
	const char *return_origins; /* further ones, separated by commas */
	bool cancel_at_period_end;  /* where a cancellation does not say when */
	bool downgrade_at_period_end;
	bool keep_trial;    /* a checkout during a trial begins to bill at its end */
	bool cancel_second; /* cancel a second subscription of a customer, not only report it */
	const char *refund_policy; /* keep, period_end or revoke */
	const char *dispute_policy;
	bool pause_ends_access;   /* where payments are not collected, with the period */
	const char *billing_mode; /* of new subscriptions; NULL: the API version has none */
	bool anchor_is_object;    /* the API version takes `billing_cycle_anchor` so */
	bool promotion_codes;     /* a customer can enter one at checkout */
	bool automatic_tax;       /* Stripe computes the tax of new subscriptions */
	bool tax_ids;             /* a customer can enter one at checkout */
	int64_t deadline_ms;      /* the longest time that one request may wait for Stripe */
	int64_t event_tries;      /* an event that failed so often is parked */
};

struct notice_templates;

/* How this service sends notices. */
struct mail_policy {
	bool configured;       /* there is a mail server */
	const char *from;      /* "Name <address>", or an address alone */
	const char *operators; /* addresses, separated by commas */
	const char *base_url;
	bool sign_in_links; /* a customer's link to the account page signs it in, once */
	int64_t timeout_ms; /* the longest time that the sending of one notice takes */
	const struct notice_templates *templates; /* when it is configured */
};

/* The rules of this service; constant while a process serves. */
struct billing {
	struct plans plans;
	struct brand brand;
	struct billing_policy policy;
	struct price_list plan_prices;
	struct price_list addon_prices;
	struct price_list meter_prices;
	struct sales_policy sales;
	struct mail_policy mail;
	struct license_keys keys;
};

struct stripe_client;
struct webhook_sender;
struct notice_sender;

/* A client's request to do something once: digests of its Idempotency-Key (with the caller),
 * and of the request. */
struct intent {
	struct sha256 key;
	struct sha256 request;
};

struct operation {
	struct task *task;
	struct db *db;
	const struct billing *billing;
	struct stripe_client *stripe;    /* NULL where nothing may wait for Stripe */
	struct webhook_sender *webhooks; /* NULL where no events are sent */
	struct notice_sender *mailer;    /* NULL where no notices are sent */
	const struct intent *intent;     /* NULL: none */
	atomic_bool *stripe_idle;        /* see stripe_jobs_wake_once(); NULL: not known */
	const char *actor; /* in the audit trail: "operator:key_...", "customer:cust_..." */
	int64_t now_ms;
	bool without_events; /* its changes happened before, as those of an import */
	int64_t batch;       /* of a job: rows that one step changes at most */
	int64_t deadline_us; /* clock_monotonic_us(): no call of Stripe goes on after it */
	/* Asked before license_issue() signs; its failure is that of the call. NULL: none. */
	enum fail (*before_signing)(void *context);
	void *signing_context;
};

/* The time of the operation, as a parameter of a statement. */
const char *param_now(const struct operation *operation);

/* The time that many milliseconds later, or earlier. */
const char *param_in(const struct operation *operation, int64_t ms);

/* Whole seconds from then to the time of the operation; 0 for an unknown or a coming time. */
int64_t seconds_since(const struct operation *operation, struct instant then);

/* FAIL_LIMITED with that code: a bound of the day (UTC) is reached. Retry-After is the rest of the
 * day. */
enum fail fail_until_tomorrow(struct operation *operation, const char *code,
                              const char *message);

/* FAIL_BUSY, which is answered 409 with Retry-After: another request goes on, and nothing was done.
 * "idempotency_in_progress" where the request is to be repeated with its Idempotency-Key, else
 * "operation_in_progress". `why` is the message; NULL: a request with the same key is being answered. */
enum fail fail_in_progress(struct task *task, bool has_key, const char *why);
/* FAIL_NOT_FOUND "customer_not_found" and "subscription_not_found". */
enum fail fail_customer_not_found(struct task *task);
enum fail fail_subscription_not_found(struct task *task);

/* FAIL_UNAVAILABLE "stripe_not_configured" */
enum fail fail_stripe_not_configured(struct task *task);
