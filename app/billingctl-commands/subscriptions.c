/* subscriptions.c: the table of billingctl's commands about subscriptions and invoices. */
#include "billingctl-commands/commands.h"

/* clang-format off */
#define INTERVAL {"--interval", "month|year", "how often it is paid (default: the plan's first price)"}
#define INTERVAL_COUNT {"--interval-count", "N", "paid every N months or years"}
#define QUANTITY {"--quantity", "N", "how many seats, of a plan that is sold by the seat"}
#define ADDONS {"--addons", "NAME=N,...", "add-ons of the plan, with their quantities"}
/* clang-format on */

static const struct ctl_option checkout_options[] = {
        INTERVAL,
        INTERVAL_COUNT,
        {"--currency", "CODE", "as eur (default: the plan's first price)"},
        QUANTITY,
        ADDONS,
        {"--price-id", "PRICE", "a price of Stripe's in place of the plan's"},
        {"--success-url", "URL", "where the customer comes back to"},
        {"--cancel-url", "URL", "where it comes back to without having paid"},
        ONCE,
        {0},
};

static const struct ctl_option change_options[] = {
        INTERVAL,
        INTERVAL_COUNT,
        QUANTITY,
        ADDONS,
        {"--proration-at", "TIME", "proration_at of the preview: the same amount counts"},
        ONCE,
        {0},
};

static const struct ctl_option preview_options[] = {
        INTERVAL,
        INTERVAL_COUNT,
        QUANTITY,
        ADDONS,
        {"--proration-at", "TIME", "as if it were changed then (default: now)"},
        {0},
};

static const struct ctl_option cancel_options[] = {
        {"--now", NULL, "at once (default: as SUBSCRIPTION_CANCEL says)"},
        {"--at-period-end", NULL, "when what is paid ends"},
        YES,
        ONCE,
        {0},
};

static const struct ctl_option once_options[] = {ONCE, {0}};

static const struct ctl_option portal_options[] = {
        {"--return-url", "URL", "where the customer comes back to"},
        ONCE,
        {0},
};

static const struct ctl_option page_options[] = {PAGE_LIMIT, CURSOR, {0}};

const struct command subscription_commands[] = {
        {"subscription", "show", "CUSTOMER", run_request, API_READS,
         .example = "subscription show jane@example.com",
         .summary = "Show a customer's subscription", .details = ONE_CUSTOMER,
         REQUEST(HTTP_GET, API_SUBSCRIPTIONS "/:customer_id", .values = "subscription")},
        {"subscription", "trial", "CUSTOMER", run_request, API_SIGNS,
         .example = "subscription trial jane@example.com",
         .summary = "Start the trial of a customer that had none", .details = ONE_CUSTOMER,
         .options = once_options,
         REQUEST(HTTP_POST, API_SUBSCRIPTIONS "/trial", .values = "subscription")},
        {"subscription", "checkout", "CUSTOMER PLAN", run_request, API_READS,
         .example = "subscription checkout jane@example.com professional --interval year",
         .summary = "Make a link where the customer buys a plan at Stripe",
         .details = "Send it to the customer; it can be used for a day.\n" ONE_CUSTOMER,
         .options = checkout_options,
         REQUEST(HTTP_POST, API_SUBSCRIPTIONS "/checkout", .second = "plan")},
        {"subscription", "preview", "CUSTOMER PLAN", run_request, API_READS,
         .example = "subscription preview jane@example.com enterprise",
         .summary = "Show what a change of the plan would cost", .details = ONE_CUSTOMER,
         .options = preview_options,
         REQUEST(HTTP_POST, API_SUBSCRIPTIONS "/preview", .second = "plan", .list = "lines",
                 .columns = "amount proration description",
                 .values = "plan new_plan interval quantity addons effective period_ends_at "
                           "proration_at amount_due currency over_limit")},
        {"subscription", "change", "CUSTOMER PLAN", run_request, API_SIGNS,
         .example = "subscription change jane@example.com enterprise",
         .summary = "Change the plan of a subscription at Stripe",
         .details = "A greater plan counts and is charged at once, a smaller one as "
                    "STRIPE_DOWNGRADE says.\nLook with subscription preview "
                    "first.\n" ONE_CUSTOMER,
         .options = change_options,
         REQUEST(HTTP_POST, API_SUBSCRIPTIONS "/upgrade", .second = "plan",
                 .values = "subscription over_limit")},
        {"subscription", "cancel", "CUSTOMER", run_request, API_READS,
         .example = "subscription cancel jane@example.com --at-period-end --yes",
         .summary = "Cancel a subscription or a trial",
         .details = "One that ends with its period can be resumed until "
                    "then.\n" ONE_CUSTOMER,
         .options = cancel_options,
         REQUEST(HTTP_POST, API_SUBSCRIPTIONS "/cancel",
                 .danger = "the customer's subscription is cancelled",
                 .values = "message effective subscription")},
        {"subscription", "resume", "CUSTOMER", run_request, API_READS,
         .example = "subscription resume jane@example.com",
         .summary = "Take a cancellation back that waits for the end of the period",
         .details = ONE_CUSTOMER, .options = once_options,
         REQUEST(HTTP_POST, API_SUBSCRIPTIONS "/resume", .values = "message subscription")},
        {"subscription", "portal", "CUSTOMER", run_request, API_READS,
         .example = "subscription portal jane@example.com",
         .summary = "Make a link to Stripe's portal, for cards and invoices",
         .details = ONE_CUSTOMER, .options = portal_options,
         REQUEST(HTTP_POST, API_SUBSCRIPTIONS "/portal")},
        {"invoice", "list", "CUSTOMER", run_request, API_READS,
         .example = "invoice list jane@example.com",
         .summary = "List a customer's invoices, newest first", .details = ONE_CUSTOMER,
         .options = page_options,
         REQUEST(HTTP_GET, API_SUBSCRIPTIONS "/:customer_id/invoices", .list = "invoices",
                 .columns = "id number status amount_due amount_paid currency created_at "
                            "hosted_invoice_url")},
        {.more = contract_commands},
};
