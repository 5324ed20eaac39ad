/*
 * stripe_policy.c: what this installation sells through Stripe, and by which rules.
 */
#include "billing/stripe_policy.h"

#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/text.h"
#include "billing/plans.h"

enum fail
stripe_policy_add(struct task *task, struct stripe_policy *policy, const struct plans *plans,
                  const char *setting, const char *plan, const char *prices)
{
	size_t length, position = 0;
	const char *item;

	while (text_next_item(&prices, &item, &length)) {
		const char *price = arena_copy_bytes(task->arena, item, length);

		if (plans_find(plans, plan) == NULL)
			return task_fail(task, FAIL_INVALID, "invalid_setting",
			                 "%s: the table of plans has no plan '%s'", setting,
			                 plan);
		if (stripe_policy_price(policy, price) != NULL)
			return task_fail(task, FAIL_INVALID, "invalid_setting",
			                 "%s: the price %s stands twice", setting, price);
		if (policy->price_count == STRIPE_PRICES_MAX)
			return task_fail(task, FAIL_INVALID, "invalid_setting",
			                 "%s: too many prices", setting);
		policy->prices[policy->price_count++] =
		        (struct stripe_price){price, plan, position++};
	}
	return FAIL_NONE;
}

const struct stripe_price *
stripe_policy_price(const struct stripe_policy *policy, const char *price_id)
{
	for (size_t i = 0; i < policy->price_count; i++)
		if (text_equal(policy->prices[i].price_id, price_id))
			return &policy->prices[i];
	return NULL;
}

const struct stripe_price *
stripe_policy_sells(const struct stripe_policy *policy, const char *plan, size_t position)
{
	const struct stripe_price *first = NULL;

	for (size_t i = 0; i < policy->price_count; i++) {
		const struct stripe_price *price = &policy->prices[i];

		if (!text_equal(price->plan, plan))
			continue;
		if (price->position == position)
			return price;
		if (first == NULL)
			first = price;
	}
	return first;
}

/* Length of scheme, host and port: all before the path. */
static size_t
origin_length(const char *url)
{
	const char *host = strstr(url, "://");

	return host == NULL ? 0 : (size_t)(host - url) + 3 + strcspn(host + 3, "/?#");
}

static bool
same_origin(const char *url, const char *origin, size_t length)
{
	return origin_length(url) == length && strncasecmp(url, origin, length) == 0;
}

const char *
stripe_policy_url_fault(const struct stripe_policy *policy, const char *url)
{
	const char *origins = policy->return_origins, *item;
	size_t length;

	/* Browsers read a backslash as a slash and drop line breaks: neither stands in a URL. */
	for (const char *at = url; *at != '\0'; at++)
		if (*at <= ' ' || *at == '\\' || *at == '\x7f')
			return "must not hold blanks, backslashes or control characters";
	if (!text_starts_with(url, "http://") && !text_starts_with(url, "https://"))
		return "must be an http or https URL";
	if (same_origin(url, policy->base_url, origin_length(policy->base_url)))
		return NULL;
	while (text_next_item(&origins, &item, &length))
		if (same_origin(url, item, length))
			return NULL;
	return "must belong to this service or to one of RETURN_URL_ORIGINS";
}
