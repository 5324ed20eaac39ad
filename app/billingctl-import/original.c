/* original.c: billingctl import original: takes over an earlier service's customers, subscriptions,
 * usage reports and public keys. */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "billingctl-import/steps.h"

enum { URL_MAX = 8192 };

/* Whether a connection string, "postgresql://user:password@host/name" or "password=...", has a
 * password. */
static bool
has_password(const char *url)
{
	const char *scheme = strstr(url, "://"), *at, *colon;

	if (strstr(url, "password=") != NULL)
		return true;
	if (scheme == NULL)
		return false;
	scheme += strlen("://");
	at = strchr(scheme, '@');
	colon = strchr(scheme, ':');
	return at != NULL && colon != NULL && colon < at && colon + 1 < at;
}

/* Overwrites the argument where the system shows it to other users, and keeps a copy. */
static const char *
hide(struct ctl *ctl)
{
	const char *copy = arena_copy(ctl->task.arena, ctl->argument);

	for (char **word = ctl->words; *word != NULL; word++)
		if (*word == ctl->argument)
			memset(*word, '*', strlen(*word));
	if (has_password(copy))
		fputs("billingctl: the command line shows a password for a moment, and the "
		      "shell "
		      "may keep it; give the connection string as @FILE or - (standard input), "
		      "or "
		      "the password by PGPASSFILE\n",
		      stderr);
	ctl->argument = copy;
	return copy;
}

enum fail
source_url(struct ctl *ctl, const char **out)
{
	const char *text;
	char *secret;

	if (strcmp(ctl->argument, "-") == 0) {
		TRY(ctl_read_text(ctl, "-", URL_MAX, &text));
	} else if (*ctl->argument == '@') {
		TRY(file_read_secret(&ctl->task, ctl->argument + 1, URL_MAX, &secret));
		text = secret;
	} else {
		text = hide(ctl);
	}
	*out = arena_copy_bytes(ctl->task.arena, text, strcspn(text, "\r\n"));
	return **out != '\0' ? FAIL_NONE
	                     : ctl_usage(ctl, "the connection string of the original is empty");
}

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
