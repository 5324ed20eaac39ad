/* source.h: the database of the original service, read in one snapshot. */
#pragma once

#include "billingctl-import/import.h"

/* Times that are out of every range are unknown; `..._odd` then has their text. */
struct source_customer {
	const char *customer_id;
	const char *email;
	const char *company_name;
	const char *stripe_customer_id;
	struct instant created_at;
	struct instant updated_at;
};

struct source_subscription {
	const char *customer_id;
	const char *email; /* of the customer */
	const char *stripe_subscription_id;
	const char *plan;
	const char *status;
	struct instant trial_ends_at;
	struct instant current_period_ends_at;
	const char *odd; /* the text of a time that is out of range; NULL: none is */
	struct instant created_at;
	struct instant updated_at;
};

struct source_report {
	const char *customer_id;
	const char *instance_id;
	int64_t active_devices;
	int64_t total_devices;
	struct instant reported_at;
	int64_t copy; /* the how manieth of equal reports it is */
};

/* How many rows the original has. */
struct source_figures {
	int64_t customers;
	int64_t subscriptions;
	int64_t reports;
};

/* The tables of the original. */
enum source_table { SOURCE_CUSTOMERS, SOURCE_SUBSCRIPTIONS, SOURCE_REPORTS };

/* Connects to the database that the command's argument names, and begins to read. Times without zone
 * are read in the zone of --timezone. */
enum fail source_open(struct import *import, struct source_figures *out) MUST_CHECK;

/* Begins a table; source_next() gives its next rows, in the step's arena, none at the end.
 * Customers with a live subscription come first, then older before newer; reports are in the order of
 * customer, instance and time. */
enum fail source_rows(struct import *import, enum source_table table) MUST_CHECK;
enum fail source_next(struct import *import, enum source_table table, void *out_rows,
                      size_t *count) MUST_CHECK;

/* The connection string of the command's argument: itself, of "@FILE" the content of the file, of "-"
 * standard input. A string in the argument is hidden from the list of processes. */
enum fail source_url(struct ctl *ctl, const char **out) MUST_CHECK;
