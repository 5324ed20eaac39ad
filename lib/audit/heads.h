/*
 * heads.h: the end of the chain, signed once a day and written to a file outside the database.
 *
 * Each line of the file is a token (typ "audit-head+jwt") with the members iss, iat, position, auditId
 * and hash. Who changes the database alone cannot make another chain that agrees with them.
 */
#pragma once

#include "audit/chain.h"

/* A line of the file. */
struct audit_signed_head {
	int64_t line;     /* from 1 on */
	int64_t issued_s; /* 0: the line is not a head that one of the keys has signed */
	int64_t position;
	const char *hash;
	const char *fault; /* why not; or NULL */
};

/* The heads in the text of the file, in the order of their positions. */
void audit_heads_read(struct task *task, const struct license_keys *keys, const char *text,
                      const struct audit_signed_head **out, size_t *count);

/* The text of the file; "" when there is none yet. */
enum fail audit_heads_file(struct task *task, const char *path, const char **out) MUST_CHECK;

/* A job: signs the head and appends it to the file of this host, once a day (UTC). A host without the
 * private half of the key leaves that to the others. */
enum fail audit_heads_run(struct operation *operation, int64_t *done) MUST_CHECK;
