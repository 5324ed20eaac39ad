/* import.c: the commands that take over the data of another service, with the text of their
 * --help. */
#include "billingctl-commands/commands.h"

static const struct ctl_option import_original_options[] = {
        {"--keys", "FOLDER",
         "publish the public keys in FOLDER/*.pem, so that licences stay valid"},
        {"--publish-days", "N", "how long they are published (default: 400)"},
        {"--timezone", "ZONE", "the zone of its times, such as Europe/Berlin (default: UTC)"},
        {"--report", "FILE", "write each remark to this file, a line of JSON each"},
        DRY_RUN,
        {0},
};

static const struct ctl_option import_stripe_options[] = {
        {"--link-by-email", NULL,
         "link a customer here who has only the e-mail address in common"},
        {"--report", "FILE", "write each remark to this file, a line of JSON each"},
        DRY_RUN,
        {0},
};

const struct command import_commands[] = {
        {"import", "original", "DATABASE_URL|@FILE|-", run_import_original,
         CTL_DATABASE | CTL_CHANGES | CTL_RULES,
         .example = "import original @/root/original.url --keys /srv/original/keys --dry-run",
         .summary = "Take over customers, subscriptions and usage of the original service",
         .details =
                 "The argument is the connection string of its database, or a file or stdin\n"
                 "(-) that holds it: a password in the command line can be seen by others.\n"
                 "It is only read, in one snapshot. What is here already stays as it is, so\n"
                 "the command can be repeated, also when it was interrupted. It lists what it\n"
                 "skipped or changed, and why; exit status 3 when something was skipped.\n",
         .options = import_original_options, .exits = import_exits},
        {"import", "stripe", NULL, run_import_stripe, CTL_DATABASE | CTL_CHANGES | CTL_STRIPE,
         .example = "import stripe --dry-run",
         .summary = "Adopt the customers and live subscriptions of an account at Stripe",
         .details =
                 "Subscriptions at a price of ours get a customer here: the one that Stripe's\n"
                 "object names, else a new one. When a customer here has its e-mail address,\n"
                 "it is skipped: with PUBLIC_SIGNUP anybody may have signed up with it. Look,\n"
                 "and then give --link-by-email. Nothing is changed at Stripe. What is here\n"
                 "already stays as it is, so the command can be repeated. It lists what it\n"
                 "skipped, and why; exit status 3 when something was skipped.\n",
         .options = import_stripe_options, .exits = import_exits},
        {.more = notice_commands},
};
