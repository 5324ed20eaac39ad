/*
 * setup.h: what the halves of `stripe setup` share: the prices and the webhook endpoint.
 */
#ifndef BILLINGCTL_SETUP_H
#define BILLINGCTL_SETUP_H

#include "base/text.h"
#include "billingctl/account.h"

struct output;

struct setup {
	struct output *output;
	bool dry_run;
	bool incomplete;        /* something is missing */
	int64_t yearly_months;  /* a year costs so many months; 0: no yearly prices */
	const char *url;        /* where events are to go */
	const char *secret_out; /* a file, "-" for the answer, or NULL */
	const char *secret;     /* the new signing secret, when it belongs into the answer */
	struct text settings;   /* lines for the settings' file */
	struct account_endpoint endpoint; /* as it was found */
};

/* A row of the answer; `state` is "there", "missing", "made" or "changed". */
void setup_tell(struct setup *setup, const char *what, const char *id, const char *state);

/* What to tell of a change: `done`, or that it is missing when nothing may be changed. */
const char *setup_tell_change(struct setup *setup, const char *done);

/* Products and prices of all plans that have a price and a setting for it, and those settings. */
enum fail setup_catalogue(struct ctl *ctl, struct setup *setup) MUST_CHECK;

#endif
