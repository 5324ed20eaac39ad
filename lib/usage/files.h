/*
 * files.h: imports usage that billing-agent wrote to a file, where no network reaches, as if it
 * had been sent.
 *
 * A file is a JWT of type "usage+jwt", signed with EdDSA by a key that follows from one of the
 * customer's API keys (file_key.h). The public half is stored when an API key is made, or the next
 * time that it is presented. Its payload is
 *	{"customer_id", "instance_id", "chain", "file", "previous", "exported_at",
 *	 "reports": [{"first", "number", "report_id", "reported_at", "active_devices",
 *	 "total_devices", "metrics", "version"}]}
 * where `previous` is the SHA-256 of the chain's previous file.
 */
#pragma once

#include "usage/batch.h"

enum { USAGE_FILE_MAX = 64 * 1024 * 1024 };

/* The numbers of missing reports, both inclusive. */
struct usage_gap {
	int64_t first;
	int64_t last;
};

/* A report that was refused, and why. */
struct usage_refusal {
	int64_t number;
	const char *why;
};

/* The result of an import. */
struct usage_import {
	const char *customer_id;
	const char *instance_id;
	int64_t file;
	bool imported_before; /* the same file was: nothing was done */
	bool new_chain; /* the first file of a chain, although the instance had another chain */
	int64_t missing_files_from; /* of the chain, before this file; or 0 */
	int64_t missing_files_to;
	size_t created;
	size_t duplicates;
	size_t refusal_count;
	const struct usage_refusal *refusals;
	size_t gap_count; /* of all reports of the instance, imported or sent */
	const struct usage_gap *gaps;
};

extern const struct statement_list usage_file_statements;

/* Imports the file, all of it or nothing. With `vouched` the operator answers for the file: its
 * signature is not checked, which the audit trail tells. FAIL_INVALID "usage_file_invalid" when it is
 * malformed, or no key of the customer signed it; FAIL_NOT_FOUND "customer_not_found";
 * FAIL_CONFLICT "usage_file_conflict" when another file of this number was imported, or this
 * one does not continue the one before it. */
enum fail usage_file_import(struct operation *operation, const char *text, bool vouched,
                            struct usage_import *out) MUST_CHECK;
