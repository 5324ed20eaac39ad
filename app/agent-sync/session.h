/*
 * session.h: one session with the service: fetches keys, licence and revocations, then sends
 * the usage.
 *
 * It runs in a process of its own, billing-agent-sync: libcurl takes more memory than the rest
 * of the agent, and a network failure cannot harm the daemon.
 */
#pragma once

#include "agent-store/license_cache.h"
#include "net/client.h"

struct agent_session {
	struct task *task;
	const struct agent_settings *settings;
	const struct state *state;
	struct http_client *client;
	struct license_cache cache; /* verifies new licences; keeps no clock */
	struct sync_state sync;
	bool resend; /* what is left of refused reports is to be sent now */
};

/* Sends a GET, or a POST when `body` is not NULL, to a path under BILLING_API_URL; `etag` may
 * be "". False, with an outcome recorded, unless the status is 2xx or 304. */
bool session_send(struct agent_session *session, const char *path, const char *etag,
                  const char *body, struct http_answer *answer);

/* The JSON object in the answer; false when there is none. */
bool session_object(struct agent_session *session, const struct http_answer *answer,
                    struct json_view *out);

/* Records the outcome, unless one is recorded already. Always false. */
bool session_fail(struct agent_session *session, enum sync_outcome outcome, const char *format,
                  ...) __attribute__((format(printf, 3, 4)));

/* True for FAIL_NONE; else records the task's failure as SYNC_BROKEN and clears it. */
bool session_check(struct agent_session *session, enum fail kind);

/* Fetches keys, licence and revocations, verifies them and keeps them. */
void session_refresh(struct agent_session *session);

/* Sends the unsent reports, at most 500 in one request. */
void session_report(struct agent_session *session);
