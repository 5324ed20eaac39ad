/* original.c: billingctl import original: takes over an earlier service's customers, subscriptions,
 * usage reports and public keys. */
#include "billingctl-import/steps.h"

static enum fail
run(struct import *import)
{
	const char *folder = ctl_option(import->ctl, "--keys");
	struct source_figures figures = {0};

	TRY(source_open(import, &figures));
	if (folder != NULL)
		TRY(import_keys(import, folder));
	TRY(import_customers(import, figures.customers));
	TRY(import_subscriptions(import, figures.subscriptions));
	TRY(import_reports(import, figures.reports));
	return import_print(import);
}

enum fail
run_import_original(struct ctl *ctl)
{
	struct import import;
	enum fail kind = import_begin(&import, ctl);

	if (kind == FAIL_NONE)
		kind = run(&import);
	import_end(&import);
	return kind;
}
