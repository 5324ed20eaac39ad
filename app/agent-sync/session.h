/*
 * session.h: one talk with the service: keys, licence, revocations, then the unsent usage.
 *
 * It runs in a process of its own (billing-agent-sync): libcurl with all that it brings takes more
 * memory than the rest of the agent, and whatever the network does there leaves the daemon alone.
 */
#ifndef AGENT_SYNC_SESSION_H
#define AGENT_SYNC_SESSION_H

#include "agent-store/license_cache.h"
#include "http/client.h"

struct session {
	struct task *task;
	const struct agent_settings *settings;
	const struct state *state;
	struct http_client *client;
	struct license_cache cache; /* what new licences are judged with; keeps no clock */
	struct sync_state sync;
};

/* One request under BILLING_API_URL; `etag` and `body` may be NULL. Notes an outcome but for a 2xx or
 * 304; false then. */
bool session_send(struct session *session, const char *method, const char *path,
                  const char *etag, const char *body, struct http_answer *answer);

/* Notes how it went; the first thing that went wrong stays. Always false. */
bool session_fail(struct session *session, enum sync_outcome outcome, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* Fetches what is new, verifies it, keeps it. */
void session_refresh(struct session *session);

/* Sends what is unsent, at most 500 at a time. */
void session_report(struct session *session);

#endif
