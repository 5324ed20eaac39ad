/*
 * state.h: the agent's folder:
 *	instance-id       random, made once
 *	license.json      {"license", "etag"}: the newest licence that was verified, in one file so that
 *	                  no crash can part the two
 *	revocations.jwt   the newest signed list
 *	keys.json         the JWK set of the service, unless LICENSE_PUBLIC_KEY pins the keys
 *	clock             liblicense's highest clock
 *	sync.json         how the last talk with the service went
 *	usage/            see spool.h
 *	lock              held while one process sync_schedule with the service
 *	daemon.lock       held by the daemon, which alone counts usage while it runs
 *	exported-*.jwt    the last usage files that were written to be carried
 *
 * Every file is replaced as a whole. One that is missing, cut short or somebody else's is as good
 * as none: what it had is asked for again. Licence, list and keys are never believed for being
 * here, but for their signatures, or for TLS when they came.
 */
#ifndef AGENT_STORE_STATE_H
#define AGENT_STORE_STATE_H

#include "agent-store/settings.h"
#include "base/clock.h"

struct state {
	const char *dir;
	const char *instance_id;
	const char *clock_path;
};

struct kept_license {
	const char *token; /* "": none */
	const char *etag;
};

enum sync_outcome {
	SYNC_DONE,
	SYNC_UNREACHABLE, /* nobody answered, or said to come again later */
	SYNC_REFUSED,     /* the service doesn't know this key or customer */
	SYNC_UNTRUSTED,   /* what it sent isn't signed by the keys */
	SYNC_BROKEN,      /* on this side: a full disk, say */
	SYNC_BUSY,        /* another process is at it */
	SYNC_OUTCOME_COUNT
};

/* How the last talk went. */
struct sync_state {
	enum sync_outcome outcome;
	struct instant at;      /* of the talk; none: never */
	struct instant contact; /* of the last one that was SYNC_DONE */
	int64_t retry_after_s;  /* what the service asked for, or 0 */
	const char *message;    /* a sentence, "" when all is well */
};

/* Makes the folder (mode 0700) and the instance's id where they are missing. */
enum fail state_open(struct task *task, const struct agent_settings *settings,
                     struct state *out) MUST_CHECK;

struct kept_license state_license(struct task *task, const struct state *state);
enum fail state_keep_license(struct task *task, const struct state *state, const char *token,
                             const char *etag) MUST_CHECK;

/* Removes what crashes left half-written, an hour ago or more. */
void state_sweep(struct task *task, const struct state *state);

/* Texts in the folder; "" when there is none. */
const char *state_text(struct task *task, const struct state *state, const char *name);
enum fail state_keep_text(struct task *task, const struct state *state, const char *name,
                          const char *text) MUST_CHECK;

void state_sync(struct task *task, const struct state *state, struct sync_state *out);
enum fail state_keep_sync(struct task *task, const struct state *state,
                          const struct sync_state *sync) MUST_CHECK;
const char *state_outcome_name(enum sync_outcome outcome);

/* The path of something in the folder. */
char *state_path(struct arena *arena, const struct state *state, const char *name);

/* Takes a lock without waiting: its descriptor, to be closed, or -1 with errno: EWOULDBLOCK while another
 * process has it. */
int state_lock(struct task *task, const struct state *state, const char *name);

#define STATE_LOCK "lock"
#define STATE_DAEMON_LOCK "daemon.lock"

#define STATE_REVOCATIONS "revocations.jwt"
#define STATE_KEYS "keys.json"

#endif
