/*
 * files.h: usage that billing-agent wrote to a file where no network reaches, taken in here as
 * if it had been sent.
 *
 * A file is a JWT of type "usage+jwt", signed with HS256 under the SHA-256 of one of the customer's
 * API keys, which is what we know of the key. Its payload is
 *	{"customer_id", "instance_id", "chain", "file", "previous", "exported_at",
 *	 "reports": [{"first", "number", "report_id", "reported_at", "active_devices",
 *	 "total_devices", "metrics"}]}
 * where `previous` is the SHA-256 of the chain's file before.
 */
#ifndef USAGE_FILES_H
#define USAGE_FILES_H

#include "usage/batch.h"

enum { USAGE_FILE_MAX = 64 * 1024 * 1024 };

/* Numbers of reports that nobody has: from, to. */
struct usage_gap {
	int64_t first;
	int64_t last;
};

/* A report that was not taken, and why. */
struct usage_refusal {
	int64_t number;
	const char *why;
};

/* What became of a file. */
struct usage_import {
	const char *customer_id;
	const char *instance_id;
	int64_t file;
	bool imported_before; /* the same file: nothing was done */
	bool new_chain; /* the first file of a folder, though the instance had one before */
	int64_t missing_files_from; /* files of the chain that weren't imported before this one, or 0 */
	int64_t missing_files_to;
	size_t created;
	size_t duplicates;
	size_t refusal_count;
	const struct usage_refusal *refusals;
	size_t gap_count; /* among all reports of the instance, however they came */
	const struct usage_gap *gaps;
};

extern const struct statement_list usage_file_statements;

/*
 * Takes the file in, all of it or nothing. FAIL_INVALID "usage_file_invalid" when it is none, or no
 * key of the customer signed it; FAIL_NOT_FOUND "customer_not_found"; FAIL_CONFLICT
 * "usage_file_conflict" when another file of this number was imported, or this one doesn't continue
 * the one before it.
 */
enum fail usage_file_import(struct operation *operation, const char *text,
                            struct usage_import *out) MUST_CHECK;

#endif
