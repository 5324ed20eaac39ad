/*
 * generation.h: one loading of the configuration, and what its processes share.
 *
 * The master loads settings and plans; children inherit them by fork() and add what the master
 * must not have: the private key and a database connection.
 */
#pragma once

#include "billingd/role.h"

struct generation {
	struct arena *arena; /* owns everything below */
	int64_t number;
	struct app_settings settings;
	struct billing billing; /* without keys in the master */
};

/* Loads settings and plans. NULL after printing the reason through `report`. */
struct generation *generation_load(const char *config_path, int64_t number,
                                   void (*report)(const struct task *task));
void generation_free(struct generation *generation);

/* Checks in a child process all that a worker will need, keys and database included, so that
 * the caller never holds them. False after the child has reported why. */
bool generation_check(const struct generation *generation,
                      void (*report)(const struct task *task));

/* A child's side: loads the keys, makes the database handle and, where the role may wait for
 * Stripe, its client. False after logging why. */
bool generation_enter(const struct child *child, struct api *out);
void generation_leave(struct api *api);
