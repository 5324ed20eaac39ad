/*
 * doctor.h: what the doctor's checks share.
 */
#ifndef BILLINGCTL_DOCTOR_H
#define BILLINGCTL_DOCTOR_H

#include "billingctl/ctl.h"
#include "db/server.h"

/* What a check finds out for those below it. */
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
	SELLS = 256, /* not found out: the check is left out where no key of Stripe's is set */
};

/* What there is to tell when all is well; a failure tells the rest. */
struct doctor {
	struct ctl *ctl;
	struct server_facts facts;
	const char *detail;
};

struct check {
	const char *name;
	enum fail (*look)(struct doctor *doctor);
	unsigned int needs; /* else it is skipped */
	unsigned int gives;
	const char *cure; /* unless the failure's message has one: "(run: ...)" */
};

/* Something is wrong, in one sentence. */
#define WRONG(doctor, ...) task_fail(&(doctor)->ctl->task, FAIL_CONFLICT, "unwell", __VA_ARGS__)

/* Of Stripe's account, and of what came from there; in billingctl-stripe/checks.c. */
enum fail check_stripe_key(struct doctor *doctor) MUST_CHECK;
enum fail check_stripe_prices(struct doctor *doctor) MUST_CHECK;
enum fail check_stripe_meters(struct doctor *doctor) MUST_CHECK;
enum fail check_stripe_webhook(struct doctor *doctor) MUST_CHECK;
enum fail check_stripe_portal(struct doctor *doctor) MUST_CHECK;
enum fail check_stripe_mode(struct doctor *doctor) MUST_CHECK;
enum fail check_stripe_parked(struct doctor *doctor) MUST_CHECK;
enum fail check_stripe_sweeps(struct doctor *doctor) MUST_CHECK;

#endif
