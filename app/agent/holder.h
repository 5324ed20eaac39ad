/*
 * holder.h: the licence that the agent vouches for, and GET /license's picture of it.
 */
#ifndef AGENT_HOLDER_H
#define AGENT_HOLDER_H

#include "agent/spool.h"
#include "base/digest.h"
#include "licensing/license.h"

struct holder {
	struct license *license; /* NULL while there are no keys: then there is no licence */
	struct sha256 keys;      /* what it was opened with */
	bool given;              /* its licence is LICENSE_JWT's, not the kept one */
};

/*
 * Takes keys, licence and list from the settings and the folder. Of LICENSE_JWT and the kept licence
 * the later issued one counts; another customer's counts as none. FAIL_INVALID "keys_invalid",
 * FAIL_UNAVAILABLE "no_memory".
 */
enum fail holder_load(struct task *task, const struct agent_settings *settings,
                      const struct state *state, bool keep_clock,
                      struct holder *holder) MUST_CHECK;

void holder_release(struct holder *holder);

/* The keys of the settings, else those that the service published; "" when there are none. */
const char *holder_keys(struct task *task, const struct agent_settings *settings,
                        const struct state *state);

/* The token that is held; "" when there is none or it isn't one of ours. */
const char *holder_token(struct task *task, const struct agent_settings *settings,
                         const struct state *state, struct holder *holder);

/* The JSON of GET /license. */
char *holder_view(struct task *task, const struct agent_settings *settings,
                  const struct state *state, struct holder *holder, const struct tally *usage);

#endif
