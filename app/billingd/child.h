/*
 * child.h: what one process makes for itself from its generation: the secrets and keys of its role, a
 * database connection, and clients.
 */
#pragma once

#include "billingd/role.h"

/* Reads the secrets and keys of the role, makes the database handle and, where the role may wait for
 * Stripe, its client. NULL after logging why. The result is a part of the generation, so that children
 * share what they do not change of it. */
struct api *child_enter(const struct child *child);
void child_leave(struct api *api);
