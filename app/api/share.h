/* share.h: how many workers of a pool one customer may keep busy, by memory that the workers of a
 * host share. */
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
};

struct share {
	atomic_ullong tickets;
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

/* The request is over; may be called without share_enter(). */
void share_leave(struct call *call);
