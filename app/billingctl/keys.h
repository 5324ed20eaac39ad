/* keys.h: the keys of the database, for the commands and checks that look at them. */
#pragma once

#include "billingctl/ctl.h"
#include "issuing/signing_keys.h"

/* The keys that the database knows. */
struct known_keys {
	const struct signing_key *keys;
	size_t count;
	const struct signing_key *current;
	const struct signing_key *added; /* NULL: none waits */
};

enum fail known_keys_read(struct ctl *ctl, struct known_keys *out) MUST_CHECK;

/* When an added key may be used. */
struct instant key_usable_at(const struct ctl *ctl, const struct signing_key *key);
