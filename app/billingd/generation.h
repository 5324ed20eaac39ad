/*
 * generation.h: one loading of the configuration, and what its processes share.
 *
 * The master loads plans and the settings without their secrets; children inherit them by fork() and
 * add what the master must not have: the secrets of their role, the private key, and a database
 * connection. A child that checks the configuration leaves its secrets in a memory file, so that each
 * process of one generation has the same ones, whatever happens to the files meanwhile.
 */
#pragma once

#include <sys/types.h>

#include "billingd/role.h"
#include "db/migrations.h"

struct generation {
	struct arena *arena; /* owns everything below */
	int64_t number;
	const char *config_path;
	struct migration_list migrations; /* that this program needs */
	int secrets; /* the memory file of the secrets; the master never reads it */
	struct app_settings settings; /* the secrets are "" until child_enter() */
	struct api api;               /* in the master the rules alone, without keys */
};

/* Loads settings and plans. The first generation has the migrations of the folder, and each later one those
 * of the one before, as the program stays the same whatever is built beside it. NULL after printing the
 * reason through `report`. */
struct generation *generation_load(const char *config_path, const struct generation *before,
                                   void (*report)(const struct task *task));
void generation_free(struct generation *generation);

/* Checks in a child process all that a worker will need, secrets, keys and database included, so
 * that the caller never holds them. Stores the secrets for child_enter(), and sets whether
 * Stripe is configured. False after the child has reported why. */
bool generation_check(struct generation *generation, void (*report)(const struct task *task));

/* Its two halves, for a caller that has other work meanwhile. It gets the exit status of the child
 * by waitpid(). -1 when there is no child. */
pid_t generation_start_check(const struct generation *generation,
                             void (*report)(const struct task *task));
bool generation_end_check(struct generation *generation, int status);

/* For the master, before the first fork(): uses the libraries once, with the public keys alone. What they
 * keep in memory from then on is shared by all children. */
void generation_warm(const struct generation *generation);
