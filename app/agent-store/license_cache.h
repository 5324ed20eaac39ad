/* license_cache.h: the licence that the agent has at hand, and the JSON of GET /license. */
#pragma once

#include "agent-store/spool.h"
#include "base/digest.h"
#include "licensing/license.h"

struct license_cache {
	struct license *license; /* NULL while there are no keys: then there is no licence */
	struct sha256 keys;      /* digest of the keys that it was opened with */
	bool is_configured;      /* the licence comes from LICENSE_JWT, not from the folder */
};

/* Reads keys, licence and revocations from the settings and the folder. Of LICENSE_JWT and the kept
 * licence the later issued one counts; another customer's counts as none. The highest clock in the
 * folder counts, and with `keep_clock` it is kept there; only the first call's matters. FAIL_INVALID
 * "keys_invalid", FAIL_UNAVAILABLE "no_memory". */
enum fail license_cache_load(struct task *task, const struct state *state, bool keep_clock,
                             struct license_cache *cache) MUST_CHECK;

void license_cache_release(struct license_cache *cache);

/* The keys of the settings, else those that the service published; "" when there are none. */
const char *license_cache_keys(struct task *task, const struct state *state);

/* The JSON of GET /license. */
char *license_cache_json(struct task *task, const struct state *state,
                         struct license_cache *cache, const struct tally *usage);

/* The JSON of a feature or limit that counts now; "null" when there is none of that name. */
const char *license_cache_value(struct task *task, const struct license_cache *cache,
                                const char *name);
