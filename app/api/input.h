/* input.h: reads the input of a request by the tables of its route. */
#pragma once

#include "api/api.h"

/* FAIL_TOO_LARGE "body_too_large" for a body that is larger than the route takes. */
enum fail input_check_size(struct call *call) MUST_CHECK;

/* Checks the customer's id in the path, and fills `call->query` and `call->body`, which live in the arena of
 * the request. FAIL_NOT_FOUND for an id that no customer can have, FAIL_MEDIA_TYPE, and FAIL_INVALID, which
 * names each bad field. */
enum fail input_read(struct call *call) MUST_CHECK;
