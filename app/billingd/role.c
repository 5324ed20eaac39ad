/* role.c: the table of processes. */
#include "billingd/role.h"

#include "billingd/generation.h"
#include "billingd/jobs.h"
#include "billingd/worker.h"

enum {
	DATABASE = SECRET_DATABASE,
	STRIPE = SECRET_STRIPE_KEY,
	WEBHOOK = SECRET_WEBHOOK,
	MAIL = SECRET_MAIL
};

static size_t
one(const struct generation *generation)
{
	(void)generation;
	return 1;
}

static size_t
workers(const struct generation *generation)
{
	return app_settings_workers(&generation->settings);
}

/* They run without a key of Stripe too, to answer that payments are not set up. */
static size_t
stripe_workers(const struct generation *generation)
{
	return (size_t)generation->settings.stripe_workers;
}

/* Without a key of Stripe the jobs have nothing to do. */
static size_t
stripe_jobs_wanted(const struct generation *generation)
{
	return generation->api.billing.sales.configured ? 1 : 0;
}

static size_t
mail_jobs_wanted(const struct generation *generation)
{
	return generation->api.billing.mail.configured ? 1 : 0;
}

/* clang-format off */
const struct role roles[] = {
	{"billingd jobs",          POOL_MAIN,   STRIPE_NEVER,       DATABASE,          true,  &local_jobs,  one},
	{"billingd jobs stripe",   POOL_STRIPE, STRIPE_IN_JOBS,     DATABASE | STRIPE, false, &stripe_jobs, stripe_jobs_wanted},
	{"billingd webhooks",      POOL_MAIN,   STRIPE_NEVER,       DATABASE,          false, &webhook_jobs, one},
	{"billingd mail",          POOL_MAIN,   STRIPE_NEVER,       DATABASE | MAIL,   false, &mail_jobs,   mail_jobs_wanted},
	{"billingd worker",        POOL_MAIN,   STRIPE_NEVER,       DATABASE | WEBHOOK, true, NULL,         workers},
	{"billingd stripe worker", POOL_STRIPE, STRIPE_IN_REQUESTS, DATABASE | STRIPE, true, NULL,          stripe_workers},
};
/* clang-format on */

const size_t role_count = sizeof(roles) / sizeof(*roles);

int
role_run(const struct child *child)
{
	return child->role->jobs == NULL ? worker_run(child) : jobs_run(child);
}
