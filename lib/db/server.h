/* server.h: facts about the PostgreSQL server that we are connected to, or why we are not. */
#pragma once

#include "db/db.h"

/* The oldest PostgreSQL whose SQL we use, as server_version_num. */
enum { SERVER_VERSION_MIN = 150000 };

struct server_facts {
	const char *version; /* "15.14" */
	int64_t version_number;
	const char *encoding; /* of the database */
	const char *locale;   /* of the database, by whom it is provided: "C.UTF-8 (libc)" */
	bool ascii_case;      /* a and A, i and I are one letter each in that locale */
	bool collation_stale; /* another version sorts now than when indexes were made */
	bool checksums;       /* a damaged page is noticed */
	bool durable;         /* committed rows survive a crash of the machine */
	bool read_only;       /* a standby, or set to read-only */
	bool archive_fails;   /* the last file of the log could not be archived */
	int64_t idle_slots;   /* replication slots that keep log, and whose standby is away */
	int64_t backend_pid;  /* of the session */
	bool pooled;          /* a connection pooler stands between, which gives sessions out */
	bool remote;          /* reached by a network, neither a Unix socket nor this host */
	bool encrypted;       /* by TLS */
	bool verified;        /* sslmode is verify-full or verify-ca */
};

/* Whether a connection to this address leaves the host. "": a Unix socket. */
bool server_is_remote(const char *address);

/* Whether a connection pooler stands between, as the session's pg_backend_pid() shows. */
bool server_is_pooled(const struct db *db, int64_t backend_pid);

/* Connections to the server. */
struct server_connections {
	int64_t allowed; /* to our role and database, all programs together */
	int64_t hosts;   /* that billingd is connected from now */
	int64_t ours;    /* connections of billingd now, those of all hosts together */
	int64_t others;  /* connections of other programs */
};

extern const struct statement_list server_statements;

enum fail server_facts_read(struct db *db, struct task *task,
                            struct server_facts *out) MUST_CHECK;

/* Without a pooler between. */
enum fail server_connections_read(struct db *db, struct task *task,
                                  struct server_connections *out) MUST_CHECK;

/* May this connection change rows? A standby does not let it. */
enum fail server_is_writable(struct db *db, struct task *task, bool *writable) MUST_CHECK;

/* Tries to connect once, as the service does, and tells in one line why that fails; NULL when it
 * works. The line may name hosts and users, never the password: for people at the machine, not
 * for clients. */
const char *server_unreachable(struct arena *arena, const struct db_options *options);

/* The setting of PgBouncer that the line shows to be missing; NULL: it shows nothing of the
 * kind. */
const char *server_pooler_lacks(const char *unreachable);
