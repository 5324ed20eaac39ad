/* caller.h: identifies the caller, and checks whether the route's row admits it. */
#pragma once

#include "api/api.h"

/* Makes the call that of `trusted_actor`, where the process has one. */
void caller_trust(struct call *call);

/* Reads the credential from the headers; no database yet. FAIL_UNAUTHENTICATED for one that
 * cannot be a key, FAIL_INVALID "ambiguous_credentials" for two that differ. Routes for anybody
 * ignore credentials. */
enum fail caller_read(struct call *call) MUST_CHECK;

/* For a handler that is open to anybody and answers a known caller otherwise: finds the caller, if its
 * credential is good. */
enum fail caller_recognise(struct call *call) MUST_CHECK;

/* Looks the key up and admits it. Does nothing for a route that is open to anybody. */
enum fail caller_resolve(struct call *call) MUST_CHECK;

/* Has the key looked up together with the first statement of a handler that only reads, and then
 * admits it and counts the request for its customer's share. */
void caller_resolve_ahead(struct call *call);

/* Decides by the route's row whether this key may make this call; `key->key_id` is NULL when
 * the lookup found none. FAIL_UNAUTHENTICATED, FAIL_FORBIDDEN. A customer that names another
 * customer gets FAIL_NOT_FOUND "customer_not_found", as for an id that does not exist. */
enum fail caller_admit(struct call *call, const struct api_key *key) MUST_CHECK;

/* Checks that the caller may act for the customer that the body names; the body was read. */
enum fail caller_check_body(struct call *call) MUST_CHECK;

/* Records that the key was used, at most once a day. Never fails the request. */
void caller_touch(struct call *call);

/* Records in the audit trail that an operator's key, or what looks like one, was refused. Never fails
 * the request. */
void caller_record_refusal(struct call *call, const struct failure *failure);

/* "nobody", "customer", "viewer", "owner": for the log. */
const char *caller_kind_name(const struct caller *caller);

/* Put our id in the place of one that another service gave the customer (customer_ids.h): in the path,
 * and in a body that was read. */
void caller_take_path_id(struct call *call);
void caller_take_body_id(struct call *call, void *body);

/* The customer's id in the path, or NULL. */
const char *caller_path_customer(const struct call *call);

/* The customer's id in the body, or NULL; once the body was read. */
const char *caller_body_customer(const struct call *call);
