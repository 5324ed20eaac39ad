/*
 * bundle.h: requests licences by files, imports them, and exports usage to files, for machines
 * without a network.
 *
 * A licence bundle is written by `billingctl license export`: {"format", "license", "keys",
 * "revocations"}. Its keys are trusted only where none are pinned or known yet, as anyone
 * could write such a file.
 *
 * A request is a JSON object, {"format", "customer_id", "instance_id", "kind", "nonce", "versions",
 * "requested_at"}: `billingctl license issue --request` answers it with a bundle whose licence is bound
 * to the instance. The vendor answers each nonce once.
 *
 * A usage file is a JWT of type "usage+jwt", signed with EdDSA by a key that follows from
 * BILLING_API_KEY (file_key.h). Its payload:
 *	{"customer_id", "instance_id", "chain", "file": <number>,
 *	 "previous": <SHA-256 of the file before>, "exported_at",
 *	 "reports": [{"first", "number", "report_id", "reported_at", ...}]}
 * The files of one folder form a chain with a random id, so that a missing file is noticed.
 */
#pragma once

#include "agent-store/license_cache.h"

struct license_request {
	const char *instance_id;
	const char *kind;
	const char *nonce;
};

struct usage_export {
	int64_t file; /* its number */
	size_t reports;
};

/* Verifies a licence bundle and keeps its content. FAIL_INVALID "import_refused". */
enum fail bundle_import(struct task *task, const struct state *state,
                        const char *path) MUST_CHECK;

/* Writes a request to a new file. FAIL_CONFLICT "file_exists". */
enum fail request_write(struct task *task, const struct state *state, const char *path,
                        struct license_request *out) MUST_CHECK;

/* Writes the unsent reports, maybe none, to a usage file and counts them as sent. Copies of the last files
 * stay in the folder. FAIL_CONFLICT "file_exists", as it never overwrites, and "busy" during a session with
 * the service, FAIL_INVALID "not_configured" without CUSTOMER_ID or BILLING_API_KEY. */
enum fail bundle_export(struct task *task, const struct state *state, const char *path,
                        struct usage_export *out) MUST_CHECK;
