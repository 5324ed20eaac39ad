/* import.h: one run of billingctl import: where it reads, what it has done, and what it tells. */
#pragma once

#include <stdio.h>

#include "billingctl/output.h"

/* The outcome of the rows of one kind. */
struct import_count {
	const char *name; /* "customers" */
	int64_t read;
	int64_t made;
	int64_t here; /* they were here before and are as they were */
	int64_t skipped;
};

struct import_memory; /* memory.h */

struct import {
	struct ctl *ctl;
	bool dry_run;
	struct import_memory *memory; /* of a dry run, else NULL */
	struct db *source;            /* the database of the original; NULL: none */
	struct task step;             /* its arena is emptied after each step */
	struct operation operation;   /* the command's, with the task of a step */
	struct output output;
	FILE *report;    /* of --report, or NULL */
	size_t listed;   /* remarks in the answer */
	int64_t remarks; /* all of them */
	int64_t skipped;
	int64_t shown_us; /* when the progress was shown last */
};

/* Opens what a run needs. With --dry-run each step is rolled back (memory.h). */
enum fail import_begin(struct import *import, struct ctl *ctl) MUST_CHECK;

/* Ends what import_begin() has opened. */
void import_end(struct import *import);

/* Empties the step's arena. A failure of the step becomes the command's. */
enum fail import_step_end(struct import *import, enum fail kind) MUST_CHECK;

/* Says what was done to something otherwise than it stood there: `done` is "skipped", "changed" or
 * "renamed". `count` things of the id are meant. */
void import_remark(struct import *import, struct import_count *count, const char *done,
                   const char *id, int64_t things, const char *why);

/* Shows on stderr how far it is; `total` 0: not known. */
void import_progress(struct import *import, const struct import_count *count, int64_t total);

/* Adds the counts to the answer. */
void import_put_count(struct import *import, const struct import_count *count);

/* Prints the answer. */
enum fail import_print(struct import *import) MUST_CHECK;
