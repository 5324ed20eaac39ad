/* notices.c: the commands about notices by e-mail, with the text of their --help. */
#include "billingctl-commands/commands.h"

static const struct ctl_option notices_preview_options[] = {
        {"--customer", "ID", "with this customer's name and address instead of examples"},
        {0},
};

static const struct ctl_option notices_list_options[] = {
        {"--state", "STATE", "only pending, sent, refused, failed or dropped ones"},
        {"--customer", "ID", "only those about this customer"},
        PAGE_LIMIT,
        CURSOR,
        {0},
};

const struct command notice_commands[] = {
        {"notices", "list", NULL, run_request, API_READS,
         .example = "notices list --state refused", .summary = "List the notices, newest first",
         .details = "A refused one was refused by the mail server for good; a failed one has\n"
                    "used up its attempts; a dropped one was not to be sent any more.\n",
         .options = notices_list_options,
         REQUEST(HTTP_GET, "/api/notices", .list = "notices",
                 .columns = "notice_id kind recipient state reason attempts created_at "
                            "next_try_at")},
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
