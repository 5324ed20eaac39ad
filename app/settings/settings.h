/* settings.h: the settings of billingd and billingctl, and the rules that follow from them. */
#pragma once

#include "base/settings.h"
#include "db/db.h"
#include "net/mail.h"
#include "operation/operation.h"
#include "stripe/client.h"

/* The kinds of secrets. */
enum {
	SECRET_DATABASE = 1,   /* how the service connects */
	SECRET_OWNER = 2,      /* how migrations connect */
	SECRET_STRIPE_KEY = 4, /* sends requests to Stripe */
	SECRET_WEBHOOK = 8,    /* checks the events that Stripe sends */
	SECRET_MAIL = 16,      /* signs in to the mail server */
	SECRETS_OF_SERVICE = SECRET_DATABASE | SECRET_STRIPE_KEY | SECRET_WEBHOOK | SECRET_MAIL
};

struct app_settings {
	const char *socket;
	const char *stripe_socket;
	const char *pid_file;
	int64_t workers;
	int64_t stripe_workers;
	int64_t worker_max_requests;
	int64_t drain_delay_s;
	int64_t shutdown_timeout_s;
	const char *database_url;
	const char *database_owner_url;
	bool db_prepared;
	int64_t db_statement_timeout_ms;
	const char *migrations_dir;
	const char *plans_file;
	const char *plan_reductions;
	const char *brand_file;
	const char *keys_dir;
	int64_t key_wait_hours;
	const char *base_url;
	const char *license_issuer;
	int64_t license_ttl_days;
	const char *license_expiry;
	int64_t license_grace_days;
	int64_t past_due_grace_days;
	int64_t revocations_ttl_hours;
	const char *revocations_file;
	const char *audit_heads_file;
	int64_t license_offline_warn_days;
	int64_t license_offline_stale_days;
	int64_t license_max_grace_days;
	int64_t instance_lease_hours;
	int64_t sign_ups_per_hour;
	int64_t new_instances_per_day;
	int64_t usage_retention_days;
	int64_t event_retention_days;
	bool public_signup;
	const char *cors_origins;
	const char *return_url_origins;
	const char *stripe_secret_key;
	const char *stripe_webhook_secret;
	const char *stripe_prices;
	const char *stripe_price_starter;
	const char *stripe_price_professional;
	const char *stripe_price_enterprise;
	const char *stripe_meter_prices;
	const char *subscription_cancel;
	const char *stripe_downgrade;
	bool stripe_keep_trial;
	const char *stripe_second_subscription;
	const char *stripe_pause_policy;
	const char *stripe_refund_policy;
	const char *stripe_dispute_policy;
	bool stripe_promotion_codes;
	bool stripe_automatic_tax;
	bool stripe_tax_ids;
	const char *stripe_billing_mode;
	int64_t stripe_deadline_ms;
	int64_t stripe_event_tries;
	const char *stripe_api_base;
	const char *stripe_api_version;
	const char *stripe_ca_file;
	const char *smtp_url;
	const char *smtp_user;
	const char *smtp_password;
	const char *smtp_starttls;
	const char *smtp_ca_file;
	int64_t smtp_timeout_s;
	const char *mail_from;
	const char *mail_operators;
	const char *mail_templates;
	bool mail_sign_in_links;
	const char *webhook_allow;
	const char *webhook_ca_file;
	const char *log_level;
};

extern const struct setting app_settings_table[];

/* Reads file (or NULL) and environment, and sets the log level. Only these kinds of `secrets` are
 * read; the others are "". FAIL_INVALID "invalid_setting"; strings live in the task's arena. */
enum fail app_settings_load(struct task *task, const char *path, unsigned int secrets,
                            struct app_settings *out) MUST_CHECK;

/* How long a transaction may be idle while a job waits for Stripe. */
enum { JOB_PAUSE_MS = 120000 };

/* The worker processes of the main pool on this host. */
size_t app_settings_workers(const struct app_settings *settings);

/* How to reach the database; `name` is the connection's application_name in PostgreSQL. */
struct db_options app_settings_db(const struct app_settings *settings, const char *name);

/* How to reach Stripe; one attempt of a request may take `attempt_ms`. */
struct stripe_client_options app_settings_stripe(const struct app_settings *settings,
                                                 int64_t attempt_ms);

/* How to reach the mail server. */
struct mail_client_options app_settings_mail(const struct app_settings *settings);

/* Judges the settings of mail together; the password only where the secrets have been read. FAIL_INVALID
 * "invalid_setting". */
enum fail app_settings_check_mail(struct task *task, const struct app_settings *settings,
                                  bool has_secrets) MUST_CHECK;

/* The rules of notices; the templates are read when there is a mail server, or `always`. */
enum fail app_settings_mail_rules(struct task *task, const struct app_settings *settings,
                                  bool always, struct mail_policy *out) MUST_CHECK;

/* Reads the plans and makes the rules. The signing keys stay empty. */
enum fail app_settings_rules(struct task *task, const struct app_settings *settings,
                             struct billing *out) MUST_CHECK;
