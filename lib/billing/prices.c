/*
 * prices.c: what this installation sells through Stripe, and by which rules.
 */
#include "billing/prices.h"

#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/text.h"
#include "billing/plans.h"

/* Whether the price stands in any list. */
static bool
is_known(const struct stripe_policy *policy, const char *price_id)
{
	return stripe_policy_price(policy, price_id) != NULL ||
	       stripe_policy_meter(policy, price_id) != NULL;
}

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
		if (is_known(policy, price))
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

static bool
is_named(const struct plans *plans, const char *meter)
{
	for (size_t i = 0; i < plans->count; i++)
		if (plan_has_meter(plans, &plans->items[i], meter))
			return true;
	return false;
}

static size_t
count_of_meter(const struct stripe_policy *policy, const char *meter)
{
	size_t count = 0;

	for (size_t i = 0; i < policy->meter_price_count; i++)
		count += text_equal(policy->meter_prices[i].meter, meter);
	return count;
}

static enum fail
add_metered(struct task *task, struct stripe_policy *policy, const struct plans *plans,
            const char *setting, const char *item)
{
	const char *colon = strchr(item, ':');
	struct stripe_meter_price price = {0};

	if (colon == NULL || colon == item || colon[1] == '\0')
		return task_fail(task, FAIL_INVALID, "invalid_setting",
		                 "%s: '%s' is not a meter, a colon and a price", setting, item);
	price.meter = arena_copy_bytes(task->arena, item, (size_t)(colon - item));
	price.price_id = colon + 1;
	price.position = count_of_meter(policy, price.meter);
	if (!is_named(plans, price.meter))
		return task_fail(task, FAIL_INVALID, "invalid_setting",
		                 "%s: no plan names the meter '%s'", setting, price.meter);
	if (is_known(policy, price.price_id))
		return task_fail(task, FAIL_INVALID, "invalid_setting",
		                 "%s: the price %s stands twice", setting, price.price_id);
	if (policy->meter_price_count == STRIPE_METER_PRICES_MAX)
		return task_fail(task, FAIL_INVALID, "invalid_setting", "%s: too many prices",
		                 setting);
	policy->meter_prices[policy->meter_price_count++] = price;
	return FAIL_NONE;
}

enum fail
stripe_policy_add_metered(struct task *task, struct stripe_policy *policy,
                          const struct plans *plans, const char *setting, const char *prices)
{
	const char *item;
	size_t length;

	while (text_next_item(&prices, &item, &length))
		TRY(add_metered(task, policy, plans, setting,
		                arena_copy_bytes(task->arena, item, length)));
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

const char *
stripe_policy_meter(const struct stripe_policy *policy, const char *price_id)
{
	for (size_t i = 0; i < policy->meter_price_count; i++)
		if (text_equal(policy->meter_prices[i].price_id, price_id))
			return policy->meter_prices[i].meter;
	return NULL;
}

const char *
stripe_policy_bills(const struct stripe_policy *policy, const char *meter, size_t position)
{
	const char *first = NULL;

	for (size_t i = 0; i < policy->meter_price_count; i++) {
		const struct stripe_meter_price *price = &policy->meter_prices[i];

		if (!text_equal(price->meter, meter))
			continue;
		if (price->position == position)
			return price->price_id;
		if (first == NULL)
			first = price->price_id;
	}
	return first;
}

/* What two URLs of one origin share (RFC 6454, sections 4 and 5). */
struct origin {
	const char *scheme, *host;
	size_t scheme_length, host_length;
	int64_t port;
};

/* What stands behind the host: nothing, or a colon and a port, which may be missing. */
static bool
read_port(const char *text, size_t length, int64_t *port)
{
	if (length > 0 && *text != ':')
		return false;
	if (length <= 1)
		return true;
	if (length > 6)
		return false;
	*port = 0;
	for (size_t i = 1; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		*port = *port * 10 + (text[i] - '0');
	}
	return true;
}

/* False for what is no http(s) URL, names no host, or names a user before it. */
static bool
origin_read(const char *url, size_t length, struct origin *out)
{
	static const char separator[] = "://";
	size_t scheme = strcspn(url, ":"), skip = scheme + strlen(separator), authority;

	if (length < skip || strncmp(url + scheme, separator, strlen(separator)) != 0)
		return false;
	*out = (struct origin){.scheme = url, .scheme_length = scheme, .host = url + skip};
	if (scheme == 5 && strncasecmp(url, "https", scheme) == 0)
		out->port = 443;
	else if (scheme == 4 && strncasecmp(url, "http", scheme) == 0)
		out->port = 80;
	else
		return false;
	authority = strcspn(out->host, "/?#");
	authority = authority < length - skip ? authority : length - skip;
	if (memchr(out->host, '@', authority) != NULL)
		return false;
	/* An IPv6 address has colons of its own, in brackets. */
	out->host_length =
	        *out->host == '[' ? strcspn(out->host, "]/?#") + 1 : strcspn(out->host, ":/?#");
	if (out->host_length > authority)
		out->host_length = authority;
	return out->host_length > 0 && read_port(out->host + out->host_length,
	                                         authority - out->host_length, &out->port);
}

static bool
same_origin(const struct origin *a, const char *url, size_t length)
{
	struct origin b;

	return origin_read(url, length, &b) && a->port == b.port &&
	       a->scheme_length == b.scheme_length && a->host_length == b.host_length &&
	       strncasecmp(a->host, b.host, a->host_length) == 0;
}

const char *
stripe_policy_url_fault(const struct stripe_policy *policy, const char *url)
{
	const char *origins = policy->return_origins, *item;
	struct origin origin;
	size_t length;

	/* Browsers read a backslash as a slash and drop line breaks: neither stands in a URL, nor
	 * does anything but ASCII (RFC 3986, section 2). */
	for (const char *at = url; *at != '\0'; at++)
		if (*at <= ' ' || *at >= '\x7f' || *at == '\\')
			return "must not hold blanks, backslashes, control or non-ASCII "
			       "characters";
	if (!origin_read(url, strlen(url), &origin))
		return "must be an http or https URL";
	if (same_origin(&origin, policy->base_url, strlen(policy->base_url)))
		return NULL;
	while (text_next_item(&origins, &item, &length))
		if (same_origin(&origin, item, length))
			return NULL;
	return "must belong to this service or to one of RETURN_URL_ORIGINS";
}
