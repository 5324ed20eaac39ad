/*
 * bundle.h: where no network reaches: licences that are carried in as a file, usage that is carried
 * out as one.
 *
 * In: what `billingctl license export` wrote, {"format", "license", "keys", "revocations"}. Its keys
 * count only where none are pinned and none are known yet: whoever carries files could write any.
 *
 * Out: a JWT of type "usage+jwt", signed with HS256 under the SHA-256 of BILLING_API_KEY (which is
 * what the service knows of the key), with
 *	{"customer_id", "instance_id", "chain", "file": <number>, "previous": <SHA-256 of the file before>,
 *	 "exported_at", "reports": [{"first", "number", "report_id", "reported_at", ...}]}
 * A chain is the files of one folder; its id is random.
 */
#ifndef AGENT_BUNDLE_H
#define AGENT_BUNDLE_H

#include "agent-store/license_cache.h"

/* What was written. */
struct usage_export {
	int64_t file;
	size_t reports;
};

/* Takes what verifies, or nothing. FAIL_INVALID "import_refused" says why. */
enum fail bundle_import(struct task *task, const struct agent_settings *settings,
                        const struct state *state, const char *path) MUST_CHECK;

/*
 * Writes the unsent reports, of which there may be none, and counts them as sent; the last files
 * also stay in the folder, for the case that one gets lost. FAIL_CONFLICT "busy" while a talk is
 * under way, FAIL_INVALID "not_configured" without key and customer.
 */
enum fail bundle_export(struct task *task, const struct agent_settings *settings,
                        const struct state *state, const char *path,
                        struct usage_export *out) MUST_CHECK;

#endif
