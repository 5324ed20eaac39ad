/* commands_notices.c: the commands about notices by e-mail, with the text of their --help. */
#include "billingctl/commands.h"

static const struct ctl_option notices_preview_options[] = {
        {"--customer", "ID", "with this customer's name and address instead of examples"},
        {0},
};

const struct command notice_commands[] = {
        {"notices", "test", "ADDRESS", run_notices_test, CTL_RULES,
         .example = "notices test me@example.com",
         .summary = "Send a test message by the mail server of SMTP_URL",
         .details =
                 "It is sent at once, by this command, and not repeated. The answer is the\n"
                 "server's; it says that the server took the message, not that it arrived.\n"},
        {"notices", "preview", "TEMPLATE", run_notices_preview, CTL_RULES,
         .example = "notices preview trial_ending",
         .summary = "Show a notice as its template in MAIL_TEMPLATES makes it",
         .details = "TEMPLATE is a file's name without .txt. Placeholders have examples as\n"
                    "values. Nothing is sent.\n",
         .options = notices_preview_options},
        {.more = webhook_commands},
};
