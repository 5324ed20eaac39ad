/* share.h: how many workers of a pool one customer may keep busy, all customers who do not pay, and all
 * requests that sign licences, by memory that the workers of a host share. */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/failure.h"

struct call;

enum { SHARE_SLOTS = 2048 };

/* Requests that together may have half of the workers of their pool. */
enum share_group {
	GROUP_NONE,
	GROUP_SIGNING, /* of a licence that had to be a new one */
	GROUP_UNPAID   /* payment requests of customers without a paid subscription */
};

/* The customer whose request one worker serves now. */
struct share_slot {
	atomic_ullong customer; /* and the pool, see share.c; 0: none */
	atomic_ullong ticket;   /* its place in the order of arrival */
	_Atomic pid_t worker;
	atomic_int group; /* enum share_group */
};

struct share {
	atomic_ullong tickets;
	atomic_llong refusals_from_ms; /* begin of the time in which refusals are counted */
	atomic_llong refusals;         /* of share_sign() */
	/* clock_monotonic_us(): payment requests are slow until then */
	atomic_llong slow_until_us;
	struct share_slot slots[SHARE_SLOTS];
};

/*
 * Marks that this worker serves the customer. In the Stripe pool one request of a customer runs at
 * a time: FAIL_BUSY "operation_in_progress" or "idempotency_in_progress". In the main pool a customer may
 * have half of the workers while requests wait: FAIL_LIMITED "rate_limited". Operators' requests to the
 * main pool are not counted, nor are licences and usage reports: one short statement finds the caller and
 * does the work, and nginx limits their rate.
 *
 * While Stripe is slow, customers without a paid subscription together may have half of the Stripe
 * pool, so that strangers who sign up do not keep customers who pay from changing their plans:
 * FAIL_UNAVAILABLE "busy". Stripe counts as slow for a minute after a payment request has kept its worker
 * for half of STRIPE_DEADLINE_MS, and for two seconds at least. At other times all requests wait
 * for a worker in their order of arrival, as a refusal would cost the vendor new customers. A pool of
 * one worker has nothing to divide, so its requests always wait in this way. Operators are not
 * counted.
 */
enum fail share_enter(struct call *call) MUST_CHECK;

/*
 * Marks that this worker signs a licence; `context` is the call. Half of the workers may sign while
 * requests wait, so that a burst of customers who all need a new licence delays no other request for
 * long. FAIL_UNAVAILABLE "busy", with a time to wait that grows with the burst.
 */
enum fail share_sign(void *context) MUST_CHECK;

/* The request is over; may be called without share_enter(). */
void share_leave(struct call *call);
