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
struct visit {
	struct ctl *ctl;
	struct server_facts facts;
	const char *detail;
};

struct check {
	const char *name;
	enum fail (*look)(struct visit *visit);
	unsigned int needs; /* else it is skipped */
	unsigned int gives;
	const char *cure; /* unless the failure's message has one: "(run: ...)" */
};

/* Something is wrong, in one sentence. */
#define WRONG(visit, ...) task_fail(&(visit)->ctl->task, FAIL_CONFLICT, "unwell", __VA_ARGS__)

/* Of Stripe's account, and of what came from there; in doctor_stripe.c. */
enum fail look_at_stripe_key(struct visit *visit) MUST_CHECK;
enum fail look_at_stripe_prices(struct visit *visit) MUST_CHECK;
enum fail look_at_stripe_meters(struct visit *visit) MUST_CHECK;
enum fail look_at_stripe_webhook(struct visit *visit) MUST_CHECK;
enum fail look_at_stripe_portal(struct visit *visit) MUST_CHECK;
enum fail look_at_stripe_mode(struct visit *visit) MUST_CHECK;
enum fail look_at_stripe_parked(struct visit *visit) MUST_CHECK;
enum fail look_at_stripe_sweeps(struct visit *visit) MUST_CHECK;

#endif
