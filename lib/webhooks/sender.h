/* sender.h: sends deliveries to many endpoints at a time. */
#pragma once

#include "operation/operation.h"
#include "webhooks/outcomes.h"

struct webhook_sender;

struct webhook_sender_options {
	const char *keys_dir;
	const char *allowed; /* networks, as struct webhook_guard has them */
	const char *ca_file; /* NULL: the system's authorities alone */
};

/* Requests of one endpoint at a time: of one that answers well, and of one that fails. */
enum { WEBHOOK_REQUESTS_MAX = 8, WEBHOOK_REQUESTS_FAILING = 1 };

/* NULL when libcurl cannot be had. Make it after fork(). The strings must outlive it. */
struct webhook_sender *webhook_sender_new(const struct webhook_sender_options *options);

/* Waits a few seconds for the answers of what is on its way and records them; then frees the sender. NULL is
 * allowed. */
void webhook_sender_end(struct webhook_sender *sender, struct operation *operation);

/* A job, of a process whose operations have a sender: feeds, takes, sends and records what is due.
 * `*done` is what goes on. */
enum fail webhook_send_run(struct operation *operation, int64_t *done) MUST_CHECK;

/* The attempts that were recorded since the last call. */
struct webhook_counts webhook_sender_take_counts(struct webhook_sender *sender);

/* Whether it has the key of webhooks. */
bool webhook_sender_has_key(const struct webhook_sender *sender);
