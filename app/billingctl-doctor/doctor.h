/* doctor.h: the checks of billingctl doctor. */
#pragma once

#include "billingctl/ctl.h"
#include "db/server.h"

/* Facts that a check establishes for the checks below it. */
enum known {
	NOTHING = 0,
	SETTINGS = 1,
	KEYS = 2,
	DATABASE = 4,
	FACTS = 8,
	SCHEMA = 16,
	SERVICE = 32,
	RULES = 64,
	STRIPE = 128,
	STATEMENTS = 512, /* the schema is the one that the statements expect */
	SELLS = 256,      /* the check is left out without STRIPE_SECRET_KEY */
};

struct doctor {
	struct ctl *ctl;
	struct server_facts facts;
	const char *detail; /* of a check that found nothing wrong */
	bool warns;         /* the detail is a warning */
};

struct check {
	const char *name;
	enum fail (*run)(struct doctor *doctor);
	unsigned int needs; /* without all of these it is skipped */
	unsigned int gives;
	const char *cure; /* unless the message has one, "(run: ...)" */
};

/* Ends a check that found nothing wrong, with a detail to print. Always FAIL_NONE. */
enum fail doctor_ok(struct doctor *doctor, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

/* Ends a check that found what an operator must know, though it may be wanted: it is printed
 * with the cure, and the exit status stays 0. Always FAIL_NONE. */
enum fail doctor_warn(struct doctor *doctor, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

/* Ends a check that found something wrong, with a sentence about it. */
#define WRONG(doctor, ...) task_fail(&(doctor)->ctl->task, FAIL_CONFLICT, "unwell", __VA_ARGS__)

/* The checks in database.c. */
enum fail check_database(struct doctor *doctor) MUST_CHECK;
enum fail check_version(struct doctor *doctor) MUST_CHECK;
enum fail check_encoding(struct doctor *doctor) MUST_CHECK;
enum fail check_collation(struct doctor *doctor) MUST_CHECK;
enum fail check_checksums(struct doctor *doctor) MUST_CHECK;
enum fail check_durability(struct doctor *doctor) MUST_CHECK;
enum fail check_writing(struct doctor *doctor) MUST_CHECK;
enum fail check_clock(struct doctor *doctor) MUST_CHECK;
enum fail check_migrations(struct doctor *doctor) MUST_CHECK;
enum fail check_statements(struct doctor *doctor) MUST_CHECK;

/* The check in connections.c. */
enum fail check_connections(struct doctor *doctor) MUST_CHECK;

/* The checks in access.c. */
enum fail check_settings_file(struct doctor *doctor) MUST_CHECK;
enum fail check_role(struct doctor *doctor) MUST_CHECK;
enum fail check_limits(struct doctor *doctor) MUST_CHECK;
enum fail check_standby(struct doctor *doctor) MUST_CHECK;
enum fail check_pooler(struct doctor *doctor) MUST_CHECK;
enum fail check_tls(struct doctor *doctor) MUST_CHECK;
enum fail check_archive(struct doctor *doctor) MUST_CHECK;

/* The checks in files.c, of the files that billingd writes. */
enum fail check_published_list(struct doctor *doctor) MUST_CHECK;
enum fail check_audit(struct doctor *doctor) MUST_CHECK;

/* The check in mail.c. */
enum fail check_mail(struct doctor *doctor) MUST_CHECK;

/* The check in contracts.c. */
enum fail check_contracts(struct doctor *doctor) MUST_CHECK;

/* The check in events.c. */
enum fail check_events(struct doctor *doctor) MUST_CHECK;

/* The check in revenue.c. */
enum fail check_revenue(struct doctor *doctor) MUST_CHECK;

/* The check in webhooks.c. */
enum fail check_webhooks(struct doctor *doctor) MUST_CHECK;

/* The check in plans.c. */
enum fail check_plans_in_force(struct doctor *doctor) MUST_CHECK;

/* The check in hosts.c. */
enum fail check_plans_of_hosts(struct doctor *doctor) MUST_CHECK;

/* The checks in keys.c. */
enum fail check_signing_key(struct doctor *doctor) MUST_CHECK;
enum fail check_rotation(struct doctor *doctor) MUST_CHECK;
enum fail check_published_keys(struct doctor *doctor) MUST_CHECK;
enum fail check_reload(struct doctor *doctor) MUST_CHECK;

/* The checks in billingctl-stripe/checks.c. */
enum fail check_stripe_account(struct doctor *doctor) MUST_CHECK;
enum fail check_stripe_key(struct doctor *doctor) MUST_CHECK;
enum fail check_stripe_prices(struct doctor *doctor) MUST_CHECK;
enum fail check_stripe_meters(struct doctor *doctor) MUST_CHECK;
enum fail check_stripe_checkout(struct doctor *doctor) MUST_CHECK;
enum fail check_stripe_webhook(struct doctor *doctor) MUST_CHECK;
enum fail check_stripe_portal(struct doctor *doctor) MUST_CHECK;
enum fail check_stripe_mode(struct doctor *doctor) MUST_CHECK;
enum fail check_stripe_unknown(struct doctor *doctor) MUST_CHECK;
enum fail check_stripe_parked(struct doctor *doctor) MUST_CHECK;
enum fail check_stripe_sweeps(struct doctor *doctor) MUST_CHECK;
