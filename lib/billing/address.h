/*
 * address.h: e-mail addresses: their form, the key by which they compare, and what a trial is
 * counted by.
 */
#pragma once

#include "base/digest.h"
#include "base/failure.h"

struct address {
	const char *key; /* equal for two addresses of one customer */
	/* The digest of the key without a +tag, and without dots at Gmail: one trial for each. */
	struct sha256 trial;
	/* Equal for addresses that look alike: where one of them is not plain, one trial for all
	 * of them. */
	struct sha256 skeleton;
	bool plain; /* ASCII alone */
};

/* NULL when the text can be an e-mail address (RFC 5321 in spirit), else why not. */
const char *address_check(const char *email);

/* The key of a text that may be an address, and all of an address's forms. They depend on no
 * locale. FAIL_INTERNAL only. */
enum fail address_key(struct task *task, const char *email, const char **out) MUST_CHECK;
enum fail address_read(struct task *task, const char *email, struct address *out) MUST_CHECK;
