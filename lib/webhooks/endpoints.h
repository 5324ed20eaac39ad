/* endpoints.h: the endpoints that events are sent to. */
#pragma once

#include "operation/operation.h"
#include "webhooks/key.h"
#include "json/out.h"

extern const struct statement_list webhook_endpoint_statements;

enum {
	WEBHOOK_ENDPOINTS_MAX = 50,
	WEBHOOK_URL_MAX = 2000,
	WEBHOOK_DESCRIPTION_MAX = 500,
	WEBHOOK_TYPES_MAX = 100,
	WEBHOOK_PENDING_MAX =
	        1000, /* rows of one endpoint; the rest waits in the log of events */
	WEBHOOK_CUSTOMER_MAX = 100 /* of them of one customer that were never sent */
};

/* In a list of types: all. */
#define WEBHOOK_ALL_TYPES "*"

struct webhook_endpoint {
	const char *endpoint_id; /* "we_..." */
	const char *url;
	struct string_list types; /* absent: all */
	const char *description;
	const char *state;           /* "enabled", "disabled" */
	const char *disabled_reason; /* "gone", "failing", "operator" */
	struct instant disabled_at;
	struct instant old_secret_until; /* the secret before counts until then */
	struct instant failing_since;    /* all attempts since then have failed */
	struct instant paused_until;
	struct instant last_success_at;
	struct instant last_failure_at;
	struct instant created_at;
	struct instant updated_at;
	int64_t pending; /* deliveries that wait, WEBHOOK_PENDING_MAX at most */
};

/* A change: NULL, absent and NULL-valued members change nothing. */
struct webhook_endpoint_change {
	const char *url;
	struct string_list types;
	struct patch_text description;
	struct choice enabled;
};

/* For an input's field: NULL when it is a type of event, or "*", else why not. */
const char *webhook_type_check(const char *type);

/* Makes an endpoint that gets the events from now on. `*secret` is its secret's text, which is not shown
 * again. FAIL_CONFLICT "too_many_endpoints" beyond WEBHOOK_ENDPOINTS_MAX. */
enum fail webhook_endpoint_create(struct operation *operation, const struct webhook_keys *keys,
                                  const struct webhook_endpoint_change *input,
                                  struct webhook_endpoint *out, const char **secret) MUST_CHECK;

/* All endpoints, the newest first. */
enum fail webhook_endpoint_list(struct operation *operation,
                                const struct webhook_endpoint **out, size_t *count) MUST_CHECK;

/* FAIL_NOT_FOUND "endpoint_not_found". */
enum fail webhook_endpoint_find(struct operation *operation, const char *endpoint_id,
                                struct webhook_endpoint *out) MUST_CHECK;

/* An endpoint that is enabled again gets what it has missed. */
enum fail webhook_endpoint_update(struct operation *operation, const char *endpoint_id,
                                  const struct webhook_endpoint_change *change,
                                  struct webhook_endpoint *out) MUST_CHECK;

/* Deletes the endpoint: no further event is sent to it, and a job removes its rows. */
enum fail webhook_endpoint_delete(struct operation *operation,
                                  const char *endpoint_id) MUST_CHECK;

/* Gives the endpoint a new secret. The one before signs too for another day. */
enum fail webhook_endpoint_rotate(struct operation *operation, const struct webhook_keys *keys,
                                  const char *endpoint_id, struct webhook_endpoint *out,
                                  const char **secret) MUST_CHECK;

/* Seals all secrets that the keys can open under the current one. Call within a transaction. */
enum fail webhook_endpoints_reseal(struct operation *operation,
                                   const struct webhook_keys *keys) MUST_CHECK;

/* The endpoint as the API shows it; `name` is NULL within an array. */
void webhook_endpoint_render(struct json_out *json, const char *name,
                             const struct webhook_endpoint *endpoint);

/* The endpoint as a text that events and the audit trail keep: its URL ends before the query, which may hold a
 * secret of the receiver's. The path is kept, as it tells the endpoints of a host apart, although some receivers
 * have their secret there. A URL has neither user name nor password (lib/net/url.h). */
const char *webhook_endpoint_text(struct arena *arena, const struct webhook_endpoint *endpoint);
