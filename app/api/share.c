/* share.c: how many workers of a pool one customer may keep busy, and how many all requests of a
 * group. */
#include "api/share.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/caller.h"
#include "api/replay.h"
#include "base/clock.h"
#include "base/random.h"
#include "billing/access.h"

/* Requests wait for a worker at least so long when all workers are busy for longer than a moment.
 * A burst of short requests is not refused. */
enum { WAITED_MS = 250 };

/* A burst of requests for new licences is spread over a time by the number refused in this time: so
 * many of them for each second, which one core signs in less. */
enum { REFUSALS_MS = 10000, REFUSALS_PER_SECOND = 500, RETRY_MAX_S = 60 };

/* Stripe counts as slow for this time after a payment request that took long: half of STRIPE_DEADLINE_MS,
 * and never less than the floor. A payment request that is refused meanwhile may come again within some
 * seconds, when another one may have ended. */
enum { SLOW_US = 60 * 1000 * 1000, SLOW_FLOOR_US = 2 * 1000 * 1000, SLOW_RETRY_MAX_S = 9 };

/* The customer on whose account the request goes. */
static const char *
customer_of(const struct call *call)
{
	if (call->route->pool == POOL_STRIPE)
		return caller_body_customer(call);
	return call->caller.kind == CALLER_CUSTOMER ? call->caller.key.customer_id : NULL;
}

/* The first 60 bits of a customer's random id, and the pool. Never 0. */
static unsigned long long
mark_of(const char *customer_id, enum pool pool)
{
	char digits[16] = {0};

	for (size_t i = 0; i < sizeof(digits) - 1 && customer_id[5 + i] != '\0'; i++)
		digits[i] = customer_id[5 + i];
	return (strtoull(digits, NULL, 16) << 2 | (unsigned long long)pool) + 1;
}

/* A worker that was killed leaves its slot marked. */
static bool
is_alive(pid_t worker)
{
	return kill(worker, 0) == 0 || errno != ESRCH;
}

/* The workers that serve the customer already. Of two requests that arrive at the same time, the
 * second one counts the first. */
static size_t
count_others(struct share *share, const struct share_slot *own)
{
	unsigned long long mark = atomic_load(&own->customer);
	unsigned long long ticket = atomic_load(&own->ticket);
	size_t count = 0;

	for (struct share_slot *slot = share->slots; slot < share->slots + SHARE_SLOTS; slot++)
		if (slot != own && atomic_load(&slot->customer) == mark &&
		    atomic_load(&slot->ticket) < ticket && is_alive(atomic_load(&slot->worker)))
			count++;
	return count;
}

/* At least one. */
static size_t
half_of(const struct call *call)
{
	size_t workers = call->api->pool_workers;

	return workers < 2 ? 1 : workers / 2;
}

static enum fail
judge(struct call *call, size_t others)
{
	struct task *task = &call->request->task;

	if (call->route->pool == POOL_STRIPE)
		return others == 0
		               ? FAIL_NONE
		               : fail_in_progress(task, replay_applies(call),
		                                  "Another payment request of this customer is "
		                                  "being answered at this moment; try again.");
	if (call->request->waited_ms < WAITED_MS || others < half_of(call))
		return FAIL_NONE;
	return task_fail(
	        task, FAIL_LIMITED, "rate_limited",
	        "Too many requests of this customer run at the same time; try again soon.");
}

/* The other workers that serve a request of the group. */
static size_t
count_group(struct share *share, const struct share_slot *own, enum share_group group)
{
	size_t count = 0;

	for (struct share_slot *slot = share->slots; slot < share->slots + SHARE_SLOTS; slot++)
		if (slot != own && atomic_load(&slot->group) == (int)group &&
		    is_alive(atomic_load(&slot->worker)))
			count++;
	return count;
}

/* From 1 to `spread_s`, so that the refused ones do not come back together. */
static int64_t
some_seconds(int64_t spread_s)
{
	uint16_t chance;

	random_bytes(&chance, sizeof(chance));
	return 1 + chance % spread_s;
}

static bool
is_slow(struct share *share)
{
	return clock_monotonic_us() < atomic_load(&share->slow_until_us);
}

static enum fail
caller_pays(struct call *call, bool *pays)
{
	struct operation *operation = &call->operation;
	const struct subscription *newest;

	TRY(subscription_newest(operation, call->caller.key.customer_id, &newest));
	*pays = newest != NULL &&
	        access_is_paid(newest, &operation->billing->policy, operation->now_ms);
	return FAIL_NONE;
}

/* The statement that finds whether the customer pays runs only while Stripe is slow. Requests that began
 * before that are not in the group; they end within STRIPE_DEADLINE_MS. */
static enum fail
judge_unpaid(struct call *call, struct share_slot *own)
{
	struct share *share = call->api->share;
	struct task *task = &call->request->task;
	bool pays;

	if (call->route->pool != POOL_STRIPE || call->api->pool_workers < 2 ||
	    call->caller.kind != CALLER_CUSTOMER || !is_slow(share))
		return FAIL_NONE;
	TRY(caller_pays(call, &pays));
	if (pays)
		return FAIL_NONE;
	atomic_store(&own->group, GROUP_UNPAID);
	if (count_group(share, own, GROUP_UNPAID) < half_of(call))
		return FAIL_NONE;
	atomic_store(&own->group, GROUP_NONE);
	(void)task_fail(
	        task, FAIL_UNAVAILABLE, "busy",
	        "Stripe is slow and many payment requests wait for it; try again soon.");
	task->failure.retry_after_s = some_seconds(SLOW_RETRY_MAX_S);
	return FAIL_UNAVAILABLE;
}

enum fail
share_enter(struct call *call)
{
	struct share *share = call->api->share;
	const char *customer_id = customer_of(call);
	struct share_slot *own;

	if (share == NULL || customer_id == NULL)
		return FAIL_NONE;
	own = &share->slots[call->api->share_slot];
	/* The slot may be that of a worker that was killed. */
	atomic_store(&own->group, GROUP_NONE);
	atomic_store(&own->worker, getpid());
	atomic_store(&own->ticket, atomic_fetch_add(&share->tickets, 1));
	atomic_store(&own->customer, mark_of(customer_id, call->route->pool));
	TRY(judge(call, count_others(share, own)));
	return judge_unpaid(call, own);
}

/* More of them are spread over a longer time. */
static int64_t
retry_after_s(struct share *share, int64_t now_ms)
{
	int64_t age_ms = now_ms - atomic_load(&share->refusals_from_ms), spread_s;

	if (age_ms < 0 || age_ms > REFUSALS_MS) {
		atomic_store(&share->refusals_from_ms, now_ms);
		atomic_store(&share->refusals, 0);
	}
	spread_s = 1 + atomic_fetch_add(&share->refusals, 1) / REFUSALS_PER_SECOND;
	if (spread_s > RETRY_MAX_S)
		spread_s = RETRY_MAX_S;
	return some_seconds(spread_s);
}

enum fail
share_sign(void *context)
{
	const struct call *call = context;
	struct share *share = call->api->share;
	struct task *task = call->operation.task;
	struct share_slot *own;

	if (share == NULL)
		return FAIL_NONE;
	own = &share->slots[call->api->share_slot];
	atomic_store(&own->worker, getpid());
	atomic_store(&own->group, GROUP_SIGNING);
	if (call->request->waited_ms < WAITED_MS ||
	    count_group(share, own, GROUP_SIGNING) < half_of(call))
		return FAIL_NONE;
	atomic_store(&own->group, GROUP_NONE);
	(void)task_fail(task, FAIL_UNAVAILABLE, "busy",
	                "Many licences are signed at this moment; try again soon.");
	task->failure.retry_after_s = retry_after_s(share, call->operation.now_ms);
	return FAIL_UNAVAILABLE;
}

/* The time in which the request waited for a worker does not count: a crowd of buyers is not turned away. */
static bool
took_long(const struct call *call)
{
	int64_t budget_us = call->api->settings->stripe_deadline_ms * 1000;
	int64_t arrived_us = call->operation.deadline_us - budget_us;
	int64_t served_us = clock_monotonic_us() - arrived_us - call->request->waited_ms * 1000;

	return call->route->pool == POOL_STRIPE && call->api->stripe != NULL &&
	       served_us > SLOW_FLOOR_US && served_us > budget_us / 2;
}

void
share_leave(struct call *call)
{
	struct share *share = call->api->share;
	struct share_slot *own;

	if (share == NULL)
		return;
	if (took_long(call))
		atomic_store(&share->slow_until_us, clock_monotonic_us() + SLOW_US);
	own = &share->slots[call->api->share_slot];
	atomic_store(&own->customer, 0);
	atomic_store(&own->group, GROUP_NONE);
}
