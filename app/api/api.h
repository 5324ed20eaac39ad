/* api.h: one call of the API, from the route's row to the answer. */
#pragma once

#include "callers/api_keys.h"
#include "http/request.h"
#include "http/response.h"
#include "http/router.h"
#include "metrics/metrics.h"
#include "operation/operation.h"
#include "settings/settings.h"

struct call;
struct migration_list;
struct share;

/* The callers that may use a route. An owner may use every operators' route, a viewer those that
 * only read. */
enum who {
	WHO_ANYBODY,
	WHO_SIGN_UP,  /* owners, and anybody when PUBLIC_SIGNUP is on */
	WHO_CUSTOMER, /* the customer that the path or the body names, and operators */
	WHO_OPERATOR,
	WHO_CALLER, /* every caller with a key or a session, about itself */
	WHO_COUNT
};

/* The processes that answer. The Stripe pool has a socket of its own and may wait for Stripe,
 * so that a slow Stripe delays no other request. */
enum pool { POOL_MAIN, POOL_STRIPE, POOL_COUNT };

/* Answers a call, or returns a failure. */
typedef enum fail handler(struct call *call) MUST_CHECK;

struct route {
	struct router_entry entry; /* first: the router reads it */
	enum who who;
	enum scope scope;         /* that a customer's key must have */
	const struct field *body; /* NULL: an empty object */
	const struct field *query;
	enum pool pool;
	bool any_pool;   /* it needs no secret of its pool, so the Stripe pool answers it too */
	size_t body_max; /* bytes; 0: REQUEST_BODY_USUAL */
	bool raw_body;   /* the handler reads the bytes as they came */
	/* The handler's own statement reads the caller's key too, and the handler calls
	 * caller_admit(): one round trip to the database fewer. */
	bool joins_caller;
	/* The handler changes nothing, or waits itself until what it found done is safe: that
	 * spares round trips to the database. */
	bool confirms;
	handler *handler;
};

extern const struct route api_routes[];
extern const size_t api_route_count;

/* Everything that a worker needs to serve requests. */
struct api {
	const struct app_settings *settings;
	struct billing billing;
	const struct migration_list *migrations; /* that this program needs; NULL: not known */
	struct db *db;
	struct metrics *metrics;
	enum pool pool;
	struct stripe_client *stripe; /* NULL: not configured, or this process must not wait */
	struct notice_sender *mailer; /* NULL: this process sends no notices */
	atomic_bool *stripe_idle;     /* of operations */
	struct webhook_sender *webhooks; /* of operations; NULL in most processes */
	size_t pool_workers;             /* how many this host has for the pool */
	/* Not NULL: each request is an owner's, with this name in the audit trail, and has no key. Only
	 * for a process that serves only the user of the system who runs it. */
	const char *trusted_actor;
	struct share *share;         /* NULL: nothing is counted */
	size_t share_slot;           /* this worker's */
	const atomic_bool *stopping; /* whether the sockets close soon */
	atomic_int *
	        key_changes; /* of the signing keys, that the host's jobs have seen; NULL: this process
	                            has no keys */
	int key_changes_seen;        /* when billing.keys was loaded */
	int64_t key_retry_us;        /* clock_monotonic_us(): not before, after a failure */
	struct arena *sold_terms;    /* of billing.plans.sold; NULL: not read yet */
	int64_t sold_terms_retry_us; /* as key_retry_us */
	char key_version[40];        /* of the keys that the jobs saw last */
	bool misdirected; /* whether the log has the error that nginx sends requests to the wrong socket */
};

enum caller_kind { CALLER_NOBODY, CALLER_CUSTOMER, CALLER_OPERATOR };

struct caller {
	enum caller_kind kind;
	bool has_digest;    /* a well-formed key was sent */
	const char *secret; /* the key itself, in the request */
	bool has_session;   /* it is a session's token, from a cookie */
	struct sha256 digest;
	struct api_key key;         /* of a known caller */
	const char *revoked_key_id; /* of a key that is known and was revoked, else NULL */
	unsigned int scopes;
};

struct call {
	struct api *api;
	struct request *request;
	struct response *response;
	const struct route *route; /* NULL: none matched */
	struct caller caller;
	struct operation operation;
	const void *body;  /* the route's body struct, filled */
	const void *query; /* likewise */
};

/* NULL when the tables are sound, else what is wrong; checked at start. */
const char *api_fault(void);

/* Answers the request: whatever happens, `call->response` is complete. Fills `call`. */
void api_serve(struct api *api, struct request *request, struct response *response,
               struct call *call);

/* The labels of a route's metrics; the index `api_route_count` is for no route. */
const char *api_route_labels(struct arena *arena, size_t route);
