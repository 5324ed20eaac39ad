/* ctl.h: the table of billingctl's commands, and one call of billingctl: its arguments and
 * connections. */
#pragma once

#include "http/request.h"
#include "operation/operation.h"
#include "settings/settings.h"

enum { CTL_OPTIONS_MAX = 16, CTL_DONE = 0, CTL_FAILED = 1, CTL_BAD_USAGE = 2 };

/* The parts that main() opens before a command runs. */
enum ctl_need {
	CTL_NOTHING = 0,
	CTL_SETTINGS = 1,
	CTL_DATABASE = 2 | CTL_SETTINGS, /* connected, with every migration applied */
	CTL_RULES = 4 | CTL_SETTINGS,    /* plans and policy */
	CTL_KEYS = 8 | CTL_RULES,        /* the signing key; with CTL_DATABASE only */
	CTL_STRIPE = 16 | CTL_RULES,     /* a client for Stripe; nothing is sent yet */
	CTL_OWNER =
	        32 | CTL_SETTINGS, /* no secret but those of the database, the owner's too */
	CTL_CHANGES = 64,          /* with CTL_DATABASE: it begins with says_stored set */
};

/* One option of a command. */
struct ctl_option {
	const char *name;  /* "--role" */
	const char *value; /* its value's placeholder in the help; NULL: it takes none */
	const char *meaning;
};

/* A command that is one request to the API: run_request() calls the API's own handler within this
 * process, as an owner with the name of the system's user. "--lease-hours 5" is the field lease_hours of
 * the route, in the form that the route's table of fields says. */
struct ctl_request {
	enum http_method method;
	const char *path; /* of the row in the API's table of routes */
	/* A parameter of the path, or a field. NULL: the customer's id, which may be given as its
	 * e-mail address. */
	const char *first;
	const char *second; /* likewise, the second argument */
	/* The members of the answer that are shown as one table, or NULL: lists, or objects, whose
	 * members' names become the first column. */
	const char *list;
	const char *columns; /* of the table, as "name report.id"; NULL: all of a row */
	const char *values;  /* beside the table, likewise; NULL: all where there is no table */
	const char *danger; /* "its keys are revoked": --yes must be given; NULL: it need not */
	bool document;      /* the answer is shown as it is, or written to the file of --out */
};

/* An exit status beyond 0, 1 and 2. */
struct ctl_exit {
	int status;
	const char *meaning;
};

struct ctl;
typedef enum fail ctl_command(struct ctl *ctl);

struct command {
	const char *group; /* "keys" */
	const char *name;  /* "rotate"; NULL when the group is the command */
	const char *
	        argument; /* its arguments in the help, at most two, in [] when optional; NULL: none */
	ctl_command *run;
	unsigned int needs;
	const char *summary; /* one line */
	const char *details; /* lines for --help, or NULL */
	const char *example; /* a command line in each line, without "billingctl" */
	const struct ctl_option *options;  /* ended by a NULL name; NULL: none */
	const struct ctl_exit *exits;      /* ended by 0; NULL: none */
	const struct ctl_request *request; /* of run_request(), else NULL */
	const struct command
	        *more; /* in the row that ends a table: the table that follows, or NULL */
};

/* One call of billingctl. */
struct ctl {
	struct task task;
	const struct command *command; /* NULL until parsed */
	const char *group;             /* the first word, or NULL */
	const char *argument;
	const char *second; /* the argument behind it, of a command that takes two */
	char **words;       /* of the command line, ended by NULL */
	const char *values[CTL_OPTIONS_MAX]; /* in the order of the command's options */
	const char *config;                  /* --config */
	bool json;
	bool help;
	bool version;
	struct app_settings settings;
	struct billing billing;
	struct operation operation;
	bool says_stored; /* the answer says that a change is stored; a dry run clears it */
	int status;       /* exit status of a command that does not fail */
};

/* The tables of commands, each ended by a NULL group, in the order of --help. The commands of a group
 * stand together. */
extern const struct command ctl_commands[], customer_commands[], subscription_commands[],
        contract_commands[], usage_commands[], analytics_commands[], stripe_commands[],
        import_commands[], notice_commands[], webhook_commands[], upkeep_commands[];

/* Walks all tables: for (c = ctl_commands; c != NULL; c = ctl_next(c)). */
const struct command *ctl_next(const struct command *command);

/* The option's value, "" for one that takes none, NULL when it was not given. */
const char *ctl_option(const struct ctl *ctl, const char *name);

/* Reports a wrong argument: FAIL_INVALID "usage", which exits with CTL_BAD_USAGE. */
enum fail ctl_usage(struct ctl *ctl, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

/* Prints the help of the command, else of the group, else of everything. */
void ctl_print_help(const struct ctl *ctl);

/* ctl_prepare() opens what `needs` names. The other functions open one part each. */
enum fail ctl_read_settings(struct ctl *ctl, unsigned int secrets) MUST_CHECK;
enum fail ctl_open_database(struct ctl *ctl) MUST_CHECK; /* even with migrations pending */
enum fail ctl_open_owner(struct ctl *ctl) MUST_CHECK;    /* as the owner of the schema */
enum fail ctl_require_schema(struct ctl *ctl) MUST_CHECK;
enum fail ctl_open_stripe(struct ctl *ctl) MUST_CHECK; /* "stripe_not_configured" */
enum fail ctl_prepare(struct ctl *ctl, unsigned int needs) MUST_CHECK;

/* Before an answer is printed that says that a change is stored: waits until that is as safe as a
 * new change would be, as a repeated command may have found its change made. */
enum fail ctl_confirm(struct ctl *ctl) MUST_CHECK;
void ctl_release(struct ctl *ctl);

/* Commits the open transaction that made a key. With --key-out it first writes the key to that
 * new file, so that no key is lost (FAIL_CONFLICT "file_exists"). */
enum fail ctl_commit_key(struct ctl *ctl, const char *secret) MUST_CHECK;

/* Reads a text file, or stdin for "-", of at most `limit` bytes. */
enum fail ctl_read_text(struct ctl *ctl, const char *path, size_t limit,
                        const char **out) MUST_CHECK;

/* The number of --limit, 1 to 1000; `*limit` stays without it. */
enum fail ctl_limit(struct ctl *ctl, int64_t *limit) MUST_CHECK;

/* The id of the customer that the argument names by its id or e-mail address. FAIL_NOT_FOUND
 * "customer_not_found". */
enum fail ctl_customer_id(struct ctl *ctl, const char **out) MUST_CHECK;

/* The reason that --why gives, which must be there. */
enum fail ctl_why(struct ctl *ctl, const char **out) MUST_CHECK;

/* Checks a text argument: UTF-8, at most `max` characters, and `check` (which may be NULL)
 * finds no fault. A failure names it as `what`. */
enum fail ctl_check_text(struct ctl *ctl, const char *what, const char *value, size_t max,
                         const char *(*check)(const char *value)) MUST_CHECK;

/* Answers the request in the file: writes the bundle with the bound licence, as license export does. */
enum fail ctl_answer_request(struct ctl *ctl, const char *path) MUST_CHECK;

/* The commands. */
ctl_command run_request, run_events;
ctl_command run_apikey_create, run_audit_verify;
ctl_command run_migrate_status, run_migrate_up;
ctl_command run_keys_generate, run_keys_add, run_keys_use, run_keys_retire, run_keys_distrust;
ctl_command run_keys_rotate, run_keys_list;
ctl_command run_operator_create, run_operator_list, run_operator_revoke, run_console_link;
ctl_command run_customer_create, run_customer_show, run_customer_list, run_customer_restore;
ctl_command run_license_issue, run_license_export, run_license_verify;
ctl_command run_stripe_events, run_stripe_show, run_stripe_calls, run_stripe_meters;
ctl_command run_stripe_retry, run_stripe_dismiss, run_stripe_settle, run_stripe_reconcile,
        run_analytics_check, run_stripe_setup, run_stripe_account;
ctl_command run_plans_diff, run_usage_import, run_restore_check, run_doctor, run_completion;
ctl_command run_import_original, run_import_stripe;
ctl_command run_notices_test, run_notices_preview, run_webhooks_enable, run_webhooks_key;
ctl_command run_stripe_unknown, run_stripe_map, run_stripe_unmap;

/* The exit statuses of these commands beyond 0, 1 and 2. */
extern const struct ctl_exit usage_import_exits[], restore_check_exits[];
extern const struct ctl_exit license_verify_exits[], audit_verify_exits[], import_exits[];
extern const struct ctl_exit plans_diff_exits[];
extern const struct ctl_exit stripe_reconcile_exits[], analytics_check_exits[];
extern const struct ctl_exit stripe_setup_exits[];
