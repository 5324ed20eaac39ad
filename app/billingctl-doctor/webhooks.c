/* webhooks.c: the check of webhook endpoints and of the key that signs webhooks. */
#include "billingctl-doctor/doctor.h"
#include "webhooks/known_keys.h"
#include "webhooks/queue.h"

/* Opens the key as billingd does, but makes none. */
static enum fail
check_key(struct doctor *doctor)
{
	struct operation *operation = &doctor->ctl->operation;
	const struct webhook_known_key *known;
	struct webhook_keys keys;
	size_t count;

	TRY(webhook_known_keys(operation, &known, &count));
	if (count == 0)
		return FAIL_NONE;
	TRY(webhook_keys_open(operation, doctor->ctl->settings.keys_dir, &keys));
	webhook_keys_release(&keys);
	return FAIL_NONE;
}

enum fail
check_webhooks(struct doctor *doctor)
{
	struct operation *operation = &doctor->ctl->operation;
	struct webhook_figures figures;
	int64_t waited_s;

	TRY(check_key(doctor));
	TRY(webhook_figures(operation, &figures));
	if (figures.disabled > 0)
		return WRONG(doctor,
		             "Endpoints that were disabled, as they failed or were gone: %lld, "
		             "one is %s.",
		             (long long)figures.disabled, figures.disabled_one);
	if (figures.failing > 0)
		return WRONG(doctor, "Endpoints whose attempts all fail: %lld, one is %s.",
		             (long long)figures.failing, figures.failing_one);
	waited_s = seconds_since(operation, figures.waiting_since);
	if (waited_s > WEBHOOK_WAIT_MAX_S)
		return WRONG(doctor, "The oldest event has waited for %lld s.",
		             (long long)waited_s);
	return doctor_ok(doctor, "%lld endpoints, %lld deliveries wait",
	                 (long long)figures.enabled, (long long)figures.pending);
}
