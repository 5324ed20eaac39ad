/* reports.c: takes over the usage reports of the original service. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "billing/customer_ids.h"
#include "billingctl-import/memory.h"
#include "billingctl-import/steps.h"
#include "usage/adopt.h"

/* Why a report is skipped. */
enum report_fault {
	REPORT_FITS,
	REPORT_NO_CUSTOMER,
	REPORT_NO_TIME,
	REPORT_FUTURE,
	REPORT_OLD,
	REPORT_INSTANCE,
	REPORT_DEVICES,
	REPORT_FAULTS
};

static const char *const faults[REPORT_FAULTS] = {
        [REPORT_NO_CUSTOMER] = "their customer was not taken over",
        [REPORT_NO_TIME] = "their reported_at is missing or out of range",
        [REPORT_FUTURE] = "their reported_at is in the future",
        [REPORT_OLD] = "they are older than USAGE_RETENTION_DAYS",
        [REPORT_INSTANCE] = "their instance_id is not 1 to 100 letters, digits and . _ : -",
        [REPORT_DEVICES] = "their numbers of devices are out of range or contradict",
};

/* The longest id of a customer in bytes, cut if it is longer. */
enum { ID_SIZE = 4 * CUSTOMER_TEXT_MAX + 1 };

/* The run, and what was skipped of the customer whose reports are being read. */
struct reader {
	struct import *import;
	struct import_count count;
	struct instant since;
	char customer[ID_SIZE];
	int64_t skipped[REPORT_FAULTS];
};

/* The reports of a step. */
struct batch {
	const struct source_report *rows;
	enum report_fault *judged;
	const char **ids; /* our id of each row's customer */
	struct usage_report *reports;
	size_t count;
};

static void
tell_skipped(struct reader *reader)
{
	for (size_t i = 1; i < REPORT_FAULTS; i++) {
		if (reader->skipped[i] > 0)
			import_remark(reader->import, &reader->count, "skipped",
			              reader->customer, reader->skipped[i], faults[i]);
		reader->skipped[i] = 0;
	}
}

/* Rows come in the order of customers. */
static void
skip(struct reader *reader, const char *customer, enum report_fault fault)
{
	if (strncmp(reader->customer, customer, ID_SIZE - 1) != 0) {
		tell_skipped(reader);
		(void)snprintf(reader->customer, ID_SIZE, "%s", customer);
	}
	reader->skipped[fault]++;
}

static const char *
instance_of(const struct source_report *row)
{
	return row->instance_id == NULL ? "default" : row->instance_id;
}

static enum report_fault
judge(struct reader *reader, const struct source_report *row, const char *id)
{
	int64_t now_ms = reader->import->operation.now_ms;

	if (id == NULL)
		return REPORT_NO_CUSTOMER;
	if (!row->reported_at.known)
		return REPORT_NO_TIME;
	if (row->reported_at.ms > now_ms + INT64_C(60) * SECOND_MS * USAGE_AHEAD_MINUTES)
		return REPORT_FUTURE;
	if (row->reported_at.ms < reader->since.ms)
		return REPORT_OLD;
	if (wire_check_id(instance_of(row)) != NULL)
		return REPORT_INSTANCE;
	return row->active_devices < 0 || row->active_devices > row->total_devices ||
	                       row->total_devices > WIRE_DEVICES_MAX
	               ? REPORT_DEVICES
	               : REPORT_FITS;
}

static void
add(struct reader *reader, struct batch *batch, size_t index)
{
	const struct source_report *row = &batch->rows[index];
	struct task *task = &reader->import->step;
	const char *given = row->customer_id == NULL ? "" : row->customer_id;
	struct usage_report *report = &batch->reports[batch->count];

	/* Neighbours are mostly of one customer. */
	if (index > 0 && strcmp(given, batch->rows[index - 1].customer_id == NULL
	                                       ? ""
	                                       : batch->rows[index - 1].customer_id) == 0)
		batch->ids[index] = batch->ids[index - 1];
	else
		batch->ids[index] = customer_id_of_text(task->arena, given);
	batch->judged[index] = judge(reader, row, batch->ids[index]);
	if (batch->judged[index] != REPORT_FITS)
		return;
	*report = (struct usage_report){
	        .customer_id = batch->ids[index],
	        .instance_id = instance_of(row),
	        .active_devices = row->active_devices,
	        .total_devices = row->total_devices,
	        .reported_at = row->reported_at,
	};
	usage_adopt_name(task, report, row->copy);
	batch->count++;
}

static int
compare_customers(const void *a, const void *b)
{
	const struct adopted_reports *left = a, *right = b;

	return strcmp(left->customer_id, right->customer_id);
}

static void
take_results(struct reader *reader, struct batch *batch, size_t rows,
             const struct adopted_reports *results, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		reader->count.made += results[i].stored;
		reader->count.here += results[i].known;
	}
	for (size_t i = 0; i < rows; i++) {
		const struct adopted_reports key = {.customer_id = batch->ids[i]};

		if (batch->judged[i] == REPORT_FITS &&
		    (count == 0 || bsearch(&key, results, count, sizeof(*results),
		                           compare_customers) == NULL)) {
			if (import_recall(reader->import, MEMORY_CUSTOMER, batch->ids[i]) !=
			    NULL)
				reader->count.made++;
			else
				batch->judged[i] = REPORT_NO_CUSTOMER;
		}
		if (batch->judged[i] != REPORT_FITS)
			skip(reader,
			     batch->rows[i].customer_id == NULL ? ""
			                                        : batch->rows[i].customer_id,
			     batch->judged[i]);
	}
}

static enum fail
store(struct reader *reader, struct batch *batch, size_t rows)
{
	struct operation *operation = &reader->import->operation;
	const struct adopted_reports *results = NULL;
	size_t count = 0;

	if (batch->count > 0) {
		TRY(db_begin(operation->db, operation->task));
		TRY(usage_adopt(operation, batch->reports, batch->count,
		                reader->import->dry_run, &results, &count));
		TRY(import_commit(reader->import));
	}
	take_results(reader, batch, rows, results, count);
	return FAIL_NONE;
}

static enum fail
step(struct reader *reader, size_t *rows)
{
	struct arena *arena = reader->import->step.arena;
	struct batch batch = {0};

	TRY(source_next(reader->import, SOURCE_REPORTS, (void *)&batch.rows, rows));
	batch.judged = arena_array(arena, *rows + 1, sizeof(*batch.judged));
	batch.ids = arena_array(arena, *rows + 1, sizeof(*batch.ids));
	batch.reports = arena_array(arena, *rows + 1, sizeof(*batch.reports));
	for (size_t i = 0; i < *rows; i++)
		add(reader, &batch, i);
	reader->count.read += (int64_t)*rows;
	return store(reader, &batch, *rows);
}

enum fail
import_reports(struct import *import, int64_t total)
{
	struct reader reader = {.import = import,
	                        .count = {.name = "reports"},
	                        .since = usage_kept_since(&import->operation)};
	size_t rows = 1;

	if (!import->dry_run)
		TRY(import_step_end(import, usage_adopt_months(&import->operation)));
	TRY(source_rows(import, SOURCE_REPORTS));
	while (rows > 0) {
		TRY(import_step_end(import, step(&reader, &rows)));
		if (rows > 0)
			import_progress(import, &reader.count, total);
	}
	tell_skipped(&reader);
	import_put_count(import, &reader.count);
	return FAIL_NONE;
}
