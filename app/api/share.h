/* share.h: how many workers of a pool one customer may keep busy, and how many may sign licences, by
 * memory that the workers of a host share. */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/failure.h"

struct call;

enum { SHARE_SLOTS = 2048 };

/* The customer whose request one worker serves now. */
struct share_slot {
	atomic_ullong customer; /* and the pool, see share.c; 0: none */
	atomic_ullong ticket;   /* its place in the order of arrival */
	_Atomic pid_t worker;
	atomic_bool signs; /* a licence that had to be a new one */
};

struct share {
	atomic_ullong tickets;
	atomic_llong refusals_from_ms; /* begin of the time in which refusals are counted */
	atomic_llong refusals;         /* of share_sign() */
	struct share_slot slots[SHARE_SLOTS];
};

/*
 * Marks that this worker serves the customer. In the Stripe pool one request of a customer runs at
 * a time: FAIL_BUSY "operation_in_progress". In the main pool a customer may have half of the
 * workers while requests wait: FAIL_LIMITED "rate_limited". Operators' requests to the main pool
 * are not counted, nor are licences and usage reports: one short statement finds the caller and does
 * the work, and nginx limits their rate.
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
