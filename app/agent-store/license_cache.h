/*
 * license_cache.h: the licence that the agent vouches for, and GET /license's picture of it.
 */
#ifndef AGENT_STORE_LICENSE_CACHE_H
#define AGENT_STORE_LICENSE_CACHE_H

#include "agent-store/spool.h"
#include "base/digest.h"
#include "licensing/license.h"

struct license_cache {
	struct license *license; /* NULL while there are no keys: then there is no licence */
	struct sha256 keys;      /* what it was opened with */
	bool given;              /* its licence is LICENSE_JWT's, not the kept one */
};

/*
 * Takes keys, licence and list from the settings and the folder. Of LICENSE_JWT and the kept licence
 * the later issued one counts; another customer's counts as none. FAIL_INVALID "keys_invalid",
 * FAIL_UNAVAILABLE "no_memory".
 */
enum fail license_cache_load(struct task *task, const struct agent_settings *settings,
                             const struct state *state, bool keep_clock,
                             struct license_cache *cache) MUST_CHECK;

void license_cache_release(struct license_cache *cache);

/* The keys of the settings, else those that the service published; "" when there are none. */
const char *license_cache_keys(struct task *task, const struct agent_settings *settings,
                               const struct state *state);

/* The token that is held; "" when there is none or it isn't one of ours. */
const char *license_cache_token(struct task *task, const struct agent_settings *settings,
                                const struct state *state, struct license_cache *cache);

/* The JSON of GET /license. */
char *license_cache_json(struct task *task, const struct agent_settings *settings,
                         const struct state *state, struct license_cache *cache,
                         const struct tally *usage);

#endif
