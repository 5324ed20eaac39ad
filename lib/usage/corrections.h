/* corrections.h: replaces a wrong report by a new one, with a reason. The wrong report stays as
 * it was. */
#pragma once

#include "usage/report.h"

/* The right values. */
struct usage_correction {
	int64_t usage_id;       /* of the wrong report */
	int64_t active_devices; /* negative: as it was reported */
	int64_t total_devices;  /* likewise */
	const char *metrics;    /* a JSON object of integers, or NULL: as they were reported */
	const char *reason;
};

extern const struct statement_list usage_correction_statements;

/* Stores the correction and counts its day anew. FAIL_NOT_FOUND "report_not_found", also when
 * the report is no longer kept; FAIL_CONFLICT "report_superseded" when it was corrected before
 * (the earlier correction can be corrected); FAIL_INVALID when more devices would be active
 * than there are. */
enum fail usage_correct(struct operation *operation, const char *customer_id,
                        const struct usage_correction *correction,
                        struct usage_report *out) MUST_CHECK;
