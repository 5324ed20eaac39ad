/* account_change.c: billingctl stripe account: compares the account of the key with the recorded
 * one, and replaces the recorded one. */
#include "base/arena.h"
#include "base/text.h"
#include "billingctl-stripe/request.h"
#include "billingctl/output.h"
#include "outbox/account.h"
#include "sync/sweep.h"

/* The recorded account, and that of the key. */
struct comparison {
	struct stripe_account recorded, of_key;
	struct stripe_account_figures figures;
};

static const char *
mode_of(const struct stripe_account *account)
{
	return account->account_id == NULL ? NULL : account->livemode ? "live" : "test";
}

static enum fail
read_accounts(struct ctl *ctl, struct comparison *out)
{
	struct operation *operation = &ctl->operation;

	operation->deadline_us = clock_monotonic_us() + ctl->settings.stripe_deadline_ms * 1000;
	TRY(request_check_key(ctl));
	TRY(stripe_account_recorded(operation, &out->recorded));
	TRY(stripe_account_fetch(operation, &out->of_key));
	return stripe_account_figures(operation, &out->figures);
}

static const char *
state_of(const struct comparison *found)
{
	if (found->of_key.account_id == NULL)
		return "unknown";
	if (found->recorded.account_id == NULL)
		return "not recorded";
	return stripe_account_is(&found->of_key, &found->recorded) ? "same" : "other";
}

/* The consequences for the data, before and after --accept. */
static const char *
explanation(struct arena *arena, const struct comparison *found, const char *accepted)
{
	const struct stripe_account_figures *figures = &found->figures;

	if (found->of_key.account_id == NULL)
		return "The key may not read its account, so a key of another account would "
		       "not "
		       "be noticed.";
	if (text_equal(state_of(found), "not recorded") && accepted == NULL)
		return "billingd records it when it runs.";
	if (text_equal(state_of(found), "same"))
		return "The key is of the account that the data is of.";
	return arena_printf(
	        arena,
	        accepted == NULL
	                ? "billingd sends and compares nothing while the accounts differ. "
	                  "After --accept %s\nit compares again: the subscriptions that this "
	                  "account does not have end (%lld run\nnow), and customers that it "
	                  "does not have (%lld are linked now) are created there\nat their "
	                  "next checkout."
	                : "%s is recorded. billingd compares again: the subscriptions that it "
	                  "does not have\nend (%lld ran), and customers that it does not have "
	                  "(%lld were linked) are created\nthere at their next checkout. See: "
	                  "billingctl stripe reconcile --dry-run.",
	        found->of_key.account_id, (long long)figures->subscriptions,
	        (long long)figures->customers);
}

static enum fail
accept_account(struct ctl *ctl, const struct comparison *found, const char *account_id)
{
	if (account_id == NULL)
		return FAIL_NONE;
	if (!text_equal(account_id, found->of_key.account_id))
		return task_fail(&ctl->task, FAIL_CONFLICT, "another_account",
		                 "The key (STRIPE_SECRET_KEY) is not of the account %s.",
		                 output_printable(ctl->task.arena, account_id));
	TRY(stripe_account_replace(&ctl->operation, &found->of_key));
	return stripe_sweep_make_all_due(&ctl->operation);
}

enum fail
run_stripe_account(struct ctl *ctl)
{
	const char *accepted = ctl_option(ctl, "--accept");
	struct output output = output_new(ctl);
	struct comparison found;

	ctl->says_stored = accepted != NULL;
	TRY(read_accounts(ctl, &found));
	TRY(accept_account(ctl, &found, accepted));
	output_text(&output, "account", found.of_key.account_id);
	output_text(&output, "mode", mode_of(&found.of_key));
	output_text(&output, "recorded", found.recorded.account_id);
	output_text(&output, "recorded_mode", mode_of(&found.recorded));
	output_time(&output, "recorded_at", found.recorded.recorded_at);
	output_text(&output, "state", accepted == NULL ? state_of(&found) : "recorded");
	output_int(&output, "customers", found.figures.customers);
	output_int(&output, "subscriptions", found.figures.subscriptions);
	output_tail(&output, explanation(ctl->task.arena, &found, accepted));
	return output_print(&output);
}
