/*
 * talk.h: one talk with the service: keys, licence, revocations, then the unsent usage.
 *
 * It runs in a process of its own (billing-agent-sync): libcurl with all that it brings takes more
 * memory than the rest of the agent, and whatever the network does there leaves the daemon alone.
 */
#ifndef AGENT_SYNC_TALK_H
#define AGENT_SYNC_TALK_H

#include "agent/holder.h"
#include "http/client.h"

struct talk {
	struct task *task;
	const struct agent_settings *settings;
	const struct state *state;
	struct http_client *client;
	struct holder holder; /* what new licences are judged with; keeps no clock */
	struct sync_state sync;
};

/* One request under BILLING_API_URL; `etag` and `body` may be NULL. Notes an outcome but for a 2xx or
 * 304; false then. */
bool talk_ask(struct talk *talk, const char *method, const char *path, const char *etag,
              const char *body, struct http_answer *answer);

/* Notes how it went; the first thing that went wrong stays. Always false. */
bool talk_note(struct talk *talk, enum sync_outcome outcome, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* Fetches what is new, verifies it, keeps it. */
void talk_refresh(struct talk *talk);

/* Sends what is unsent, at most 500 at a time. */
void talk_report(struct talk *talk);

#endif
