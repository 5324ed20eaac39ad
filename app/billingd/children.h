/* children.h: the processes that the master starts: one for each slot, and those of earlier generations that
 * retire. */
#pragma once

#include "billingd/generation.h"
#include "billingd/retired.h"
#include "billingd/sockets.h"

enum { SLOTS_MAX = ROLE_CHILDREN_MAX };

/* The most microseconds between two starts of a child that dies again and again. */
extern const int64_t children_throttle_us;

/* A slot holds one child, or the time when its next child may start. */
struct slot {
	const struct role *role;
	pid_t pid; /* 0: none */
	int64_t started_us;
	int64_t start_at_us;
	int64_t throttle_us; /* delay of the next start; 0 after a child that had started */
};

struct shared;

struct children {
	struct generation *generation;
	struct sockets sockets;
	struct metrics *metrics;
	struct shared *shared; /* memory that the master and all its children share */
	struct slot slots[SLOTS_MAX];
	size_t slot_count;
	size_t open_count; /* the slots that may have a child; the others wait for a step of a reload */
	struct retired retired;
};

/* Maps the shared memory. False: there is none. */
bool children_share(struct children *children);

/* Fills the slots by the roles' counts. */
void children_assign_roles(struct children *children);

/* Starts children that are due. The time until the next one is due, in microseconds (a minute at most). */
int64_t children_start_due(struct children *children);

/* Whether the children of the open slots from `first` on are ready for their work. */
bool children_serve(const struct children *children, size_t first);

/* Removes the children that have ended, and plans the start of their successors. */
void children_reap(struct children *children);

/* Sends the signal to all, retired ones too. */
void children_signal(const struct children *children, int signal);

bool children_exist(const struct children *children);

/* Lets the children say that this host is not ready any more. Whether they did already. */
bool children_announce_stop(struct children *children);
