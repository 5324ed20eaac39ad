/*
 * requests.h: answers requests for bound licences, from machines without a network.
 *
 * A request is a small file that `billing-agent request` writes. Its answer activates the instance for
 * as long as the licence lasts, so that what the plan covers bounds how many machines have one. Each
 * request is answered once: the same file again gets the same licence while its token is kept, and is
 * refused afterwards.
 */
#pragma once

#include "instances/instances.h"
#include "issuing/licenses.h"

struct license_request {
	const char *customer_id; /* NULL: the file names none */
	const char *instance_id;
	const char *kind;
	const char *nonce;
};

/* Reads the text of the file, at most WIRE_REQUEST_MAX bytes. FAIL_INVALID "request_invalid" names the
 * first member that is wrong; members that are not known are ignored. Strings are in the arena. */
enum fail license_request_read(struct task *task, const char *text,
                               struct license_request *out) MUST_CHECK;

/* Activates the instance, and issues a licence that is bound to it. FAIL_NOT_FOUND and FAIL_CONFLICT as
 * instance_activate() and license_issue(), FAIL_CONFLICT "request_used". */
enum fail license_request_answer(struct operation *operation, const char *customer_id,
                                 const struct license_request *request,
                                 struct issued_license *out) MUST_CHECK;
