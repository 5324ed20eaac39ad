/*
 * revocations.h: the signed list of revoked licences, which a customer's application fetches
 * and keeps for when it is offline.
 *
 * A token as a licence is, but of type "revocations+jwt", so that it can never pass as one:
 *	{"iss":"...","number":<n>,"iat":<seconds>,"nextUpdate":<seconds>,"revoked":["<jti>",...],
 *	 "revokedBefore":[["<customerId>",<seconds>],...],"distrustedKeys":["<kid>",...]}
 * A licence is revoked when "revoked" has its jti, or when "revokedBefore" has its customer with a
 * later time than the licence's iat. So one entry stands for all older licences of a customer. It is
 * revoked, too, when "distrustedKeys" has the kid of its header: that key may be stolen, and verifiers
 * that have pinned it still know it.
 */
#pragma once

#include "licensing/verify.h"

enum { REVOCATIONS_TOKEN_MAX = 4 * 1024 * 1024 };

/* The licences of the customer that were issued before the second are revoked. */
struct revoked_before {
	const char *customer_id;
	int64_t before_s;
};

/* Revoked licences that haven't expired. A list that was read is sorted by jti and by customer. */
struct revocations {
	const char *kid; /* of the key that signed it; only read, never written */
	const char *issuer;
	int64_t number; /* grows with each list; 0: the list has none */
	int64_t issued_at_s;
	int64_t next_update_s; /* a newer list is out by then */
	const char *const *jtis;
	size_t count;
	const struct revoked_before *before;
	size_t before_count;
	const char *const *distrusted; /* kids */
	size_t distrusted_count;
};

/* Signs the list. FAIL_INTERNAL "signing_failed". */
enum fail revocations_sign(struct task *task, const struct license_key *key,
                           const struct revocations *list, char **token) MUST_CHECK;

/* Checks and reads a list with the verdicts and rules of license_verify(); LICENSE_EXPIRED
 * means that its nextUpdate has passed. The list is filled then too, as what it names stays
 * revoked. */
enum token_verdict revocations_read(struct task *task, const struct license_keys *keys,
                                    const char *token, int64_t now_s, int64_t leeway_s,
                                    const char *issuer, struct revocations *out) MUST_CHECK;

/* Whether the list is older than the other one. Lists of one second are told apart by number. A list
 * whose key the other one distrusts counts as older. */
bool revocations_are_older(const struct revocations *list, const struct revocations *other);

/* Whether a list that revocations_read() filled revokes the licence. */
bool revocations_contains(const struct revocations *list, const struct license_claims *claims);
