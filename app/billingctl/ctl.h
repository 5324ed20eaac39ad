/*
 * ctl.h: what the commands of billingctl share: the command's row in the table, its arguments, and
 * what it works with.
 */
#ifndef BILLINGCTL_CTL_H
#define BILLINGCTL_CTL_H

#include "billing/operation.h"
#include "settings/settings.h"

enum { CTL_OPTIONS_MAX = 6, CTL_DONE = 0, CTL_FAILED = 1, CTL_BAD_USAGE = 2 };

/* What a command needs before it runs; main() sees to it. */
enum ctl_need {
	CTL_NOTHING = 0,
	CTL_SETTINGS = 1,
	CTL_DATABASE = 2 | CTL_SETTINGS, /* reached, and migrated */
	CTL_RULES = 4 | CTL_SETTINGS,    /* plans and policy */
	CTL_KEYS = 8 | CTL_RULES,        /* the signing key */
	CTL_STRIPE = 16 | CTL_RULES,     /* a key of Stripe's; nothing is asked yet */
};

/* One option of a command. */
struct ctl_option {
	const char *name;  /* "--role" */
	const char *value; /* what stands for its value in the help; NULL: it takes none */
	const char *meaning;
};

/* An exit status beyond 0, 1 and 2. */
struct ctl_exit {
	int status;
	const char *meaning;
};

struct ctl;

struct command {
	const char *group;                /* "keys" */
	const char *name;                 /* "rotate"; NULL when the group is the command */
	const char *argument;             /* its one argument in the help, in [] when it may be
	                                   * left out; NULL: none */
	const char *summary;              /* one line */
	const char *details;              /* lines for --help, or NULL */
	const struct ctl_option *options; /* ended by a NULL name; NULL: none */
	const struct ctl_exit *exits;     /* ended by 0; NULL: none */
	unsigned int needs;
	enum fail (*run)(struct ctl *ctl);
};

/* One call of billingctl. */
struct ctl {
	struct task task;
	const struct command *command; /* NULL until it is known */
	const char *group;             /* the first word, or NULL */
	const char *argument;
	const char *values[CTL_OPTIONS_MAX]; /* in the order of the command's options */
	const char *config;                  /* --config */
	bool json;
	bool help;
	bool version;
	struct app_settings settings;
	struct billing billing;
	struct operation operation;
	int status; /* how the process ends when the command does not fail */
};

/* THE table, ended by a NULL group. */
extern const struct command ctl_commands[];

/* The option's value, "" for one that takes none, NULL when it was not given. */
const char *ctl_option(const struct ctl *ctl, const char *name);

/* An argument is wrong: FAIL_INVALID "usage", which ends the process with CTL_BAD_USAGE. */
enum fail ctl_usage(struct ctl *ctl, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

/* Prints the help of the command, of the group, or of everything, as far as they are known. */
void ctl_print_help(const struct ctl *ctl);

/* The parts of what `needs` asks for; each may also be called by a command itself. */
enum fail ctl_read_settings(struct ctl *ctl) MUST_CHECK;
enum fail ctl_open_database(struct ctl *ctl) MUST_CHECK; /* without looking at migrations */
enum fail ctl_require_schema(struct ctl *ctl) MUST_CHECK;
enum fail ctl_open_stripe(struct ctl *ctl) MUST_CHECK; /* "stripe_not_configured" */
enum fail ctl_prepare(struct ctl *ctl, unsigned int needs) MUST_CHECK;
void ctl_release(struct ctl *ctl);

/*
 * Commits the open transaction that made a key. With --key-out the key is in that file before, so
 * that it is never lost: the file must not exist yet (FAIL_CONFLICT "file_exists").
 */
enum fail ctl_commit_key(struct ctl *ctl, const char *secret) MUST_CHECK;

/* The whole of a file, or of stdin for "-", without NUL; at most `limit` bytes. */
enum fail ctl_read_text(struct ctl *ctl, const char *path, size_t limit,
                        const char **out) MUST_CHECK;

/* The number that --limit gives, at most 1000, else `*limit` stays. */
enum fail ctl_limit(struct ctl *ctl, int64_t *limit) MUST_CHECK;

enum fail run_migrate_status(struct ctl *ctl) MUST_CHECK;
enum fail run_migrate_up(struct ctl *ctl) MUST_CHECK;
enum fail run_keys_generate(struct ctl *ctl) MUST_CHECK;
enum fail run_keys_rotate(struct ctl *ctl) MUST_CHECK;
enum fail run_keys_list(struct ctl *ctl) MUST_CHECK;
enum fail run_operator_create(struct ctl *ctl) MUST_CHECK;
enum fail run_operator_list(struct ctl *ctl) MUST_CHECK;
enum fail run_operator_revoke(struct ctl *ctl) MUST_CHECK;
enum fail run_customer_create(struct ctl *ctl) MUST_CHECK;
enum fail run_customer_show(struct ctl *ctl) MUST_CHECK;
enum fail run_customer_list(struct ctl *ctl) MUST_CHECK;
enum fail run_license_issue(struct ctl *ctl) MUST_CHECK;
enum fail run_license_verify(struct ctl *ctl) MUST_CHECK;
enum fail run_stripe_events(struct ctl *ctl) MUST_CHECK;
enum fail run_stripe_show(struct ctl *ctl) MUST_CHECK;
enum fail run_stripe_calls(struct ctl *ctl) MUST_CHECK;
enum fail run_stripe_meters(struct ctl *ctl) MUST_CHECK;
enum fail run_stripe_settle(struct ctl *ctl) MUST_CHECK;
enum fail run_stripe_retry(struct ctl *ctl) MUST_CHECK;
enum fail run_stripe_reconcile(struct ctl *ctl) MUST_CHECK;
enum fail run_stripe_setup(struct ctl *ctl) MUST_CHECK;
enum fail run_license_export(struct ctl *ctl) MUST_CHECK;
enum fail run_usage_import(struct ctl *ctl) MUST_CHECK;
enum fail run_doctor(struct ctl *ctl) MUST_CHECK;

/* The exit statuses of their commands. */
extern const struct ctl_exit usage_import_exits[];
extern const struct ctl_exit license_verify_exits[];
extern const struct ctl_exit stripe_reconcile_exits[];
extern const struct ctl_exit stripe_setup_exits[];

#endif
