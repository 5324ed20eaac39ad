/* override_change.h: an operator changes what one customer may use. */
#pragma once

#include "entitlements/overrides.h"
#include "issuing/licenses.h"
#include "json/fields.h"

/* The wanted set, in place of the one so far. One without any feature and limit removes it. */
struct override_change {
	const char *customer_id;
	const struct any_object *features;
	const struct any_object *limits;
	struct instant expires_at;
	const char *reason;
	bool dry_run; /* nothing is changed; the answer is what it would be */
};

struct override_outcome {
	bool present; /* false: no set is stored now */
	struct override overrides;
	struct entitlements entitlements;
	const char *claims; /* of the next licence, as license_preview() */
};

/* Stores the set, revokes licences that grant more than the customer may have now, and records the set
 * before and after in the audit trail. Unknown names, values of a wrong type and an end that is
 * over are bad fields. FAIL_NOT_FOUND "customer_not_found". */
enum fail account_override(struct operation *operation, const struct override_change *change,
                           struct override_outcome *out) MUST_CHECK;
