/* settings.c: the table of settings, and the check of each value. */
#include "settings/settings.h"

#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "net/client.h"
#include "notices/message.h"
#include "stripe/version.h"
#include "webhooks/guard.h"

static const char *const expiry_choices[] = {"ttl", "paid_through", NULL};
static const char *const when_choices[] = {"now", "period_end", NULL};
static const char *const reversal_choices[] = {"keep", "period_end", "revoke", NULL};
static const char *const pause_choices[] = {"period_end", "keep", NULL};
static const char *const second_choices[] = {"report", "cancel", NULL};
static const char *const starttls_choices[] = {"auto", "required", "off", NULL};
static const char *const mode_choices[] = {"classic", "flexible", NULL};

static const char *
check_origin_list(const char *value)
{
	const char *item;
	size_t length;

	while (text_next_item(&value, &item, &length))
		if ((!text_starts_with(item, "http://") &&
		     !text_starts_with(item, "https://")) ||
		    memchr(item, '@', length) != NULL ||
		    memchr(item + 8, '/', length > 8 ? length - 8 : 0) != NULL)
			return "must be origins like https://app.example.com, separated by "
			       "commas";
	return NULL;
}

static const char *
check_base_url(const char *value)
{
	if (!text_starts_with(value, "http://") && !text_starts_with(value, "https://"))
		return "must start with https:// (or http://)";
	if (strchr(value, '@') != NULL)
		return "must not have a user name or password";
	return value[strlen(value) - 1] == '/' ? "must not end with a slash" : NULL;
}

static const char *
check_api_base(const char *value)
{
	if (value[0] != '\0' && value[strlen(value) - 1] == '/')
		return "must not end with a slash";
	return http_check_key_url(value);
}

static const char *
check_secret_key(const char *value)
{
	if (*value == '\0' || text_starts_with(value, "sk_") || text_starts_with(value, "rk_"))
		return NULL;
	return "must be a secret key, sk_... or rk_...";
}

static const char *
check_webhook_secret(const char *value)
{
	const char *item;
	size_t length;

	while (text_next_item(&value, &item, &length))
		if (length < 16 || strncmp(item, "whsec_", 6) != 0)
			return "must be signing secrets, whsec_..., separated by commas";
	return NULL;
}

static const char *
check_mail_url(const char *value)
{
	return *value == '\0' ? NULL : mail_check_url(value);
}

static const char *
check_not_empty(const char *value)
{
	return *value == '\0' ? "must not be empty" : NULL;
}

#define ROW(member, ...) SETTING(struct app_settings, member, __VA_ARGS__)

const struct setting app_settings_table[] = {
        ROW(socket, "BILLING_SOCKET", "/run/billing/billingd.sock",
            "Unix socket that nginx forwards to; made with mode 0660.",
            .check = check_not_empty),
        ROW(stripe_socket, "BILLING_STRIPE_SOCKET", "/run/billing/billingd-stripe.sock",
            "Unix socket for the requests that wait for Stripe; made with mode 0660.",
            .check = check_not_empty),
        ROW(pid_file, "BILLINGD_PID_FILE", "",
            "Where the master writes its process id; empty: nowhere."),
        ROW(workers, "WORKERS", "0",
            "Worker processes; 0: four per core. Each process has a connection to PostgreSQL, "
            "whose max_connections must be at least hosts x (WORKERS + STRIPE_WORKERS + 4) x "
            "5/4 + 13: a quarter more for reloads, 10 for other programs, and 3 that "
            "PostgreSQL "
            "reserves.",
            .max = 512),
        ROW(stripe_workers, "STRIPE_WORKERS", "2",
            "Worker processes for the requests that wait for Stripe. While Stripe is slow, "
            "customers without a paid subscription have half of them together; one alone is "
            "not divided.",
            .min = 1, .max = 64),
        ROW(worker_max_requests, "WORKER_MAX_REQUESTS", "100000",
            "Requests after which a worker is replaced.", .min = 1, .max = INT64_MAX),
        ROW(drain_delay_s, "DRAIN_DELAY_SECONDS", "0",
            "How long a stop goes on serving while /health/ready answers 503, so that load "
            "balancers send no new requests before the sockets close.",
            .max = 600),
        ROW(shutdown_timeout_s, "SHUTDOWN_TIMEOUT_SECONDS", "30",
            "How long a stop or reload waits for running requests.", .min = 1, .max = 3600),
        ROW(database_url, "DATABASE_URL", "postgresql:///billing",
            "PostgreSQL connection string or URI; may name several hosts.",
            .secret = SECRET_DATABASE, .check = check_not_empty),
        ROW(database_owner_url, "DATABASE_OWNER_URL", "",
            "How billingctl migrate connects: as the owner of the schema, who lets the role of "
            "DATABASE_URL do what the service needs; empty: as DATABASE_URL.",
            .secret = SECRET_OWNER),
        ROW(db_prepared, "DB_PREPARED", "on",
            "Prepared statements; off behind PgBouncer in transaction mode, where they fail "
            "(SQLSTATE 42P05, 26000) and which needs ignore_startup_parameters = options. Time "
            "limits are then the role's, which billingctl migrate up sets."),
        ROW(db_statement_timeout_ms, "DB_STATEMENT_TIMEOUT_MS", "5000",
            "Longest time of one statement, waiting for locks included; below nginx's 15 s.",
            .min = 100, .max = 14000),
        ROW(migrations_dir, "MIGRATIONS_DIR", "migrations", "Folder of the SQL migrations.",
            .check = check_not_empty),
        ROW(plans_file, "PLANS_FILE", "conf/plans.json",
            "The plans that are sold, and what each allows.", .check = check_not_empty),
        ROW(plan_reductions, "PLAN_REDUCTIONS", "now",
            "When a reduction of a plan in PLANS_FILE reaches its customers. now: with their "
            "next licence. period_end: when their present period ends.",
            .choices = when_choices),
        ROW(brand_file, "BRAND_FILE", "",
            "The vendor's name, logo, colour and addresses, for pages and mails; empty: "
            "brand.json in the folder of PLANS_FILE; without that file, the built-in brand."),
        ROW(keys_dir, "KEYS_DIR", "keys", "Folder of the signing key and the published keys.",
            .check = check_not_empty),
        ROW(key_wait_hours, "KEY_WAIT_HOURS", "24",
            "Hours that a new signing key is published before it may sign.", .max = 720),
        ROW(base_url, "BASE_URL", "https://localhost:8443", "Where clients reach this service.",
            .check = check_base_url),
        ROW(license_issuer, "LICENSE_ISSUER", "", "The licences' `iss`; empty: BASE_URL."),
        ROW(license_ttl_days, "LICENSE_TTL_DAYS", "365", "Life of a licence from its issue.",
            .min = 1, .max = 3650),
        ROW(license_expiry, "LICENSE_EXPIRY", "ttl",
            "ttl: a licence lasts LICENSE_TTL_DAYS from its issue, also when the customer "
            "cancels and stays offline. paid_through: until the paid period ends, plus "
            "LICENSE_GRACE_DAYS; while a payment is past due, at most until "
            "PAST_DUE_GRACE_DAYS end; while the payment of a period that has begun is on its "
            "way, until LICENSE_GRACE_DAYS after its begin, and by direct debit two weeks.",
            .choices = expiry_choices),
        ROW(license_grace_days, "LICENSE_GRACE_DAYS", "7",
            "Days that a licence lasts beyond a scheduled end, and, with "
            "LICENSE_EXPIRY=paid_through, beyond the paid period.",
            .max = 365),
        ROW(past_due_grace_days, "PAST_DUE_GRACE_DAYS", "7",
            "Days of access after a payment first failed, or after an invoice that is sent was "
            "due.",
            .max = 365),
        ROW(revocations_ttl_hours, "REVOCATIONS_TTL_HOURS", "24",
            "Hours until the next revocation list, as each list says.", .min = 1, .max = 8760),
        ROW(license_offline_warn_days, "LICENSE_OFFLINE_WARN_DAYS", "30",
            "Days without a newer licence or revocation list after which liblicense and "
            "billing-agent warn; 0: never.",
            .max = 3650),
        ROW(license_offline_stale_days, "LICENSE_OFFLINE_STALE_DAYS", "0",
            "Days without a newer licence or revocation list after which a licence is stale; "
            "0: never. A stale licence counts as no licence: see the defaults in "
            "liblicense(3).",
            .max = 3650),
        ROW(license_max_grace_days, "LICENSE_MAX_GRACE_DAYS", "365",
            "Most days of grace after its end that a licence lets its customer set; 365: any.",
            .max = GRACE_DAYS_MAX),
        ROW(revocations_file, "REVOCATIONS_FILE", "",
            "File that keeps the last published revocation list, so that a database restored "
            "from a backup is noticed; empty: revocations.jwt in KEYS_DIR."),
        ROW(audit_heads_file, "AUDIT_HEADS_FILE", "",
            "File to which the signed end of the audit trail's chain is appended once a day; "
            "empty: audit-heads.jwt beside REVOCATIONS_FILE."),
        ROW(instance_lease_hours, "INSTANCE_LEASE_HOURS", "72",
            "How long an instance counts as in use after its last report.", .min = 1,
            .max = 8760),
        ROW(new_instances_per_day, "NEW_INSTANCES_PER_DAY", "20000",
            "New instances that the usage reports of one customer may name in a day (UTC); "
            "reports of known ones are always taken.",
            .min = 1, .max = 1000000000),
        ROW(usage_retention_days, "USAGE_RETENTION_DAYS", "90",
            "Days that usage reports are kept, by whole months, and instances after their "
            "lease; "
            "the daily sums stay.",
            .min = 36, .max = 36500),
        ROW(event_retention_days, "EVENT_RETENTION_DAYS", "400",
            "Days that events are kept, by whole months.", .min = 31, .max = 36500),
        ROW(public_signup, "PUBLIC_SIGNUP", "off",
            "Whether customers may sign up without a key of an operator."),
        ROW(sign_ups_per_hour, "PUBLIC_SIGNUPS_PER_HOUR", "1000",
            "Customers that may sign up without a key of an operator in an hour, from all "
            "networks "
            "together.",
            .min = 1, .max = 1000000000),
        ROW(cors_origins, "CORS_ORIGINS", "",
            "Origins of web pages that may call the API, separated by commas; empty: none.",
            .check = check_origin_list),
        ROW(return_url_origins, "RETURN_URL_ORIGINS", "",
            "Origins, beside BASE_URL's, that Stripe may send a customer's browser back to.",
            .check = check_origin_list),
        ROW(stripe_secret_key, "STRIPE_SECRET_KEY", "",
            "Stripe's API key, sk_... or rk_...; empty: nothing is sold through Stripe.",
            .secret = SECRET_STRIPE_KEY, .check = check_secret_key),
        ROW(stripe_webhook_secret, "STRIPE_WEBHOOK_SECRET", "",
            "Signing secrets of the webhook endpoint, separated by commas while one is "
            "replaced.",
            .secret = SECRET_WEBHOOK, .check = check_webhook_secret),
        ROW(stripe_prices, "STRIPE_PRICES", "",
            "Stripe's prices, plan:price or addon:price, separated by commas. All plans name "
            "their prices in one order of intervals."),
        ROW(stripe_price_starter, "STRIPE_PRICE_STARTER", "",
            "Older form of STRIPE_PRICES: the prices of the plan starter."),
        ROW(stripe_price_professional, "STRIPE_PRICE_PROFESSIONAL", "",
            "Older form of STRIPE_PRICES: the prices of the plan professional."),
        ROW(stripe_price_enterprise, "STRIPE_PRICE_ENTERPRISE", "",
            "Older form of STRIPE_PRICES: the prices of the plan enterprise."),
        ROW(stripe_meter_prices, "STRIPE_METER_PRICES", "",
            "Stripe's metered prices, meter:price, separated by commas, in the order of the "
            "plans' intervals."),
        ROW(subscription_cancel, "SUBSCRIPTION_CANCEL", "now",
            "When a cancellation that names no time takes effect: now, without a refund, or "
            "period_end.",
            .choices = when_choices, .advice = "period_end"),
        ROW(stripe_downgrade, "STRIPE_DOWNGRADE", "now",
            "When a smaller plan begins: now, with what is left credited, or period_end.",
            .choices = when_choices),
        ROW(stripe_keep_trial, "STRIPE_KEEP_TRIAL", "off",
            "Whether a plan that is bought during a trial is billed from the end of the trial. "
            "Stripe needs at least two days until then."),
        ROW(stripe_second_subscription, "STRIPE_SECOND_SUBSCRIPTION", "report",
            "The treatment of a second live subscription of one customer: report it, or cancel "
            "it too.",
            .choices = second_choices),
        ROW(stripe_pause_policy, "STRIPE_PAUSE_POLICY", "period_end",
            "When access ends while Stripe pauses the collection of payments (void or "
            "keep_as_draft): period_end, with the period in which the pause began; keep: "
            "access does not end.",
            .choices = pause_choices),
        ROW(stripe_refund_policy, "STRIPE_REFUND_POLICY", "keep",
            "The effect of a full refund on the subscription that it paid for: keep access; "
            "period_end: access and subscription end with the period; revoke: access ends and "
            "licences are revoked at once, the subscription ends with the period. It counts "
            "for "
            "the invoice of a period that is not over; a refund of another invoice (of a past "
            "period, or of prorations or use alone) is only recorded.",
            .choices = reversal_choices),
        ROW(stripe_dispute_policy, "STRIPE_DISPUTE_POLICY", "keep",
            "The effect of a dispute (chargeback) of whatever amount, as of a full refund. A "
            "dispute that is won gives access back.",
            .choices = reversal_choices),
        ROW(stripe_promotion_codes, "STRIPE_PROMOTION_CODES", "off",
            "Whether a customer can enter a promotion code at checkout."),
        ROW(stripe_automatic_tax, "STRIPE_AUTOMATIC_TAX", "off",
            "Whether Stripe Tax, which the account must have set up, computes the tax of new "
            "subscriptions. The address entered at checkout is kept at Stripe's customer."),
        ROW(stripe_tax_ids, "STRIPE_TAX_IDS", "off",
            "Whether a customer can enter a tax ID at checkout. The business name and address "
            "entered with it are kept at Stripe's customer, the name also here."),
        ROW(stripe_billing_mode, "STRIPE_BILLING_MODE", "classic",
            "Stripe's billing mode of new subscriptions: classic, or flexible, which Stripe "
            "advises. Existing subscriptions keep theirs.",
            .choices = mode_choices),
        ROW(stripe_deadline_ms, "STRIPE_DEADLINE_MS", "10000",
            "Longest time that a request waits for Stripe, repeated attempts included.",
            .min = 1000, .max = 12000),
        ROW(stripe_event_tries, "STRIPE_EVENT_TRIES", "12",
            "Attempts to process an event, over about a day, before it is parked.", .min = 1,
            .max = 1000),
        ROW(stripe_api_base, "STRIPE_API_BASE", "https://api.stripe.com",
            "Where Stripe's API is.", .check = check_api_base),
        ROW(stripe_api_version, "STRIPE_API_VERSION", STRIPE_VERSION_NEWEST,
            "Stripe-Version of every request, and of a webhook endpoint that stripe setup "
            "makes. "
            "Objects and events of older versions are read too.",
            .check = check_not_empty),
        ROW(stripe_ca_file, "STRIPE_CA_FILE", "",
            "PEM file of the authorities that may vouch for Stripe's API; empty: the "
            "system's."),
        ROW(smtp_url, "SMTP_URL", "",
            "The mail server that notices go through, smtp://host:port or smtps://host:port; "
            "empty: no notices are sent.",
            .check = check_mail_url),
        ROW(smtp_user, "SMTP_USER", "", "The user name at the mail server; empty: none."),
        ROW(smtp_password, "SMTP_PASSWORD", "", "The password of SMTP_USER.",
            .secret = SECRET_MAIL),
        ROW(smtp_starttls, "SMTP_STARTTLS", "auto",
            "Whether a connection by smtp:// must become TLS (STARTTLS): required; off; auto: "
            "required, except to this machine itself.",
            .choices = starttls_choices),
        ROW(smtp_ca_file, "SMTP_CA_FILE", "",
            "PEM file of the authorities that may vouch for the mail server; empty: the "
            "system's."),
        ROW(smtp_timeout_s, "SMTP_TIMEOUT_SECONDS", "30",
            "How long the sending of one notice waits for the mail server.", .min = 1,
            .max = 300),
        ROW(mail_from, "MAIL_FROM", "",
            "The sender of notices, \"Name <address>\" or an address.", .check = mailbox_check),
        ROW(mail_operators, "MAIL_OPERATORS", "",
            "Addresses, separated by commas, that get the weekly digest and what needs an "
            "operator; empty: none.",
            .check = mailbox_check_list),
        ROW(mail_sign_in_links, "MAIL_SIGN_IN_LINKS", "on",
            "Whether the link to the account page in a customer's notice signs in, once and "
            "within seven days. Without TLS to a mail server of another host it does not."),
        ROW(mail_templates, "MAIL_TEMPLATES", "conf/mail", "Folder of the notices' texts.",
            .check = check_not_empty),
        ROW(webhook_allow, "WEBHOOK_ALLOW", "",
            "Networks like 10.1.0.0/16, separated by commas, that webhooks may be sent to "
            "beside public addresses, by plain http too.",
            .check = webhook_guard_check),
        ROW(webhook_ca_file, "WEBHOOK_CA_FILE", "",
            "PEM file of further authorities that receivers of webhooks may have certificates "
            "of."),
        ROW(log_level, "LOG_LEVEL", "info", "error, warning, info or debug.",
            .choices = log_level_names),
        SETTING_END("billingd"),
};
