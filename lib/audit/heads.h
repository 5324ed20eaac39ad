/*
 * heads.h: the end of the chain, signed once a day and written to a file outside the database.
 *
 * Each line of the file is a token (typ "audit-head+jwt") with the members iss, iat, position, auditId
 * and hash, and, of the entries older than the chain, backfillId (the last one's id) and backfillEnded
 * (when all were chained, in ms; 0: not yet). Who changes the database alone cannot make another chain
 * that agrees with them.
 */
#pragma once

#include "audit/chain.h"

/* A key whose heads count when they are older than this. */
struct audit_lost_key {
	const char *kid;
	struct instant distrusted_at;
};

/* The keys that may have signed heads; `lost` are among them. */
struct audit_head_keys {
	const struct license_keys *keys;
	const struct audit_lost_key *lost;
	size_t lost_count;
};

/* A line of the file. */
struct audit_signed_head {
	int64_t line;     /* from 1 on */
	int64_t issued_s; /* 0: the line is not a head that one of the keys has signed */
	int64_t position;
	const char *hash;
	int64_t backfill_id;
	int64_t backfill_ended_ms;
	const char *fault; /* why not; or NULL */
	bool torn; /* no token, as a crash or a full disk leaves it, before a valid head */
};

/* The heads in the text of the file, in the order of their positions. */
void audit_heads_read(struct task *task, const struct audit_head_keys *keys, const char *text,
                      const struct audit_signed_head **out, size_t *count);

/* The text of the file; "" when there is none yet. */
enum fail audit_heads_file(struct task *task, const char *path, const char **out) MUST_CHECK;

/* A job: signs the head and appends it to the file of this host, once a day (UTC). A host without the
 * private half of the key leaves that to the others. */
enum fail audit_heads_run(struct operation *operation, int64_t *done) MUST_CHECK;
