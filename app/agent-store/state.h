/*
 * state.h: the files in the agent's folder (AGENT_STATE_DIR):
 *	instance-id       random, made once
 *	license.json      {"license", "etag"}: the newest verified licence and its ETag,
 *	                  in one file so that both change together
 *	revocations.jwt   the newest signed revocation list
 *	keys.json         the JWK set of the service, unless LICENSE_PUBLIC_KEY pins the keys
 *	clock             the highest clock that liblicense has seen
 *	sync.json         the outcome of the last session with the service
 *	usage/            see spool.h
 *	lock              held while one process is in a session with the service
 *	daemon.lock       held by the daemon, which alone counts usage while it runs
 *	exported-*.jwt    the last exported usage files
 *
 * Every file is replaced as a whole. A file that is missing or damaged counts as absent: its
 * content is fetched again. Licence and revocation list are verified each time they are read;
 * the keys were fetched over TLS.
 */
#pragma once

#include "agent-store/settings.h"
#include "base/clock.h"
#include "json/out.h"
#include "json/view.h"

struct state {
	const struct agent_settings *settings;
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
	SYNC_UNREACHABLE, /* no answer, or one to try again later */
	SYNC_REFUSED,     /* the service does not accept the key or the customer */
	SYNC_UNTRUSTED,   /* an answer is malformed, or not signed with the keys */
	SYNC_BROKEN,      /* a local failure, such as a full disk */
	SYNC_BUSY,        /* another process is in a session */
	SYNC_OUTCOME_COUNT
};

/* The result of the last session. */
struct sync_state {
	enum sync_outcome outcome;
	struct instant at;      /* when it began; none: there was no session yet */
	struct instant contact; /* when the last one with SYNC_DONE began */
	int64_t retry_after_s;  /* the Retry-After of the service, or 0 */
	const char *message;    /* a sentence about the failure, or "" */
};

/* Makes the folder (mode 0700) and the instance's id where they are missing. `settings` must
 * outlive `out`. FAIL_UNAVAILABLE "state_unwritable". */
enum fail state_open(struct task *task, const struct agent_settings *settings,
                     struct state *out) MUST_CHECK;

struct kept_license state_license(struct task *task, const struct state *state);
enum fail state_keep_license(struct task *task, const struct state *state, const char *token,
                             const char *etag) MUST_CHECK;

/* Removes temporary files that a crash left, once they are an hour old. */
void state_sweep(struct task *task, const struct state *state);

/* The text of a file in the folder; "" when there is none. */
const char *state_text(struct task *task, const struct state *state, const char *name);

/* The JSON object in a file of the folder; false when there is none. */
bool state_object(struct task *task, const struct state *state, const char *name,
                  struct json_view *out);

enum fail state_keep_text(struct task *task, const struct state *state, const char *name,
                          const char *text) MUST_CHECK;

/* Closes the open object and keeps it. */
enum fail state_keep_json(struct task *task, const struct state *state, const char *name,
                          struct json_out *json) MUST_CHECK;

void state_sync(struct task *task, const struct state *state, struct sync_state *out);
enum fail state_keep_sync(struct task *task, const struct state *state,
                          const struct sync_state *sync) MUST_CHECK;
const char *state_outcome_name(enum sync_outcome outcome);

/* The path of a file in the folder. */
char *state_path(struct arena *arena, const struct state *state, const char *name);

/* Takes a lock without waiting. Returns its descriptor, to be closed, or -1 with errno, which
 * is EWOULDBLOCK while another process has it. */
int state_lock(struct task *task, const struct state *state, const char *name);

#define STATE_LOCK "lock"
#define STATE_DAEMON_LOCK "daemon.lock"

#define STATE_REVOCATIONS "revocations.jwt"
#define STATE_KEYS "keys.json"
