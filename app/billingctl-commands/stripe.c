/* stripe.c: the table of billingctl's commands about Stripe. */
#include "billingctl-commands/commands.h"

static const struct ctl_option stripe_events_options[] = {
        {"--state", "pending|done|ignored|parked|dismissed",
         "only events in this state (default: all)"},
        LIMIT,
        {0},
};

static const struct ctl_option limit_options[] = {LIMIT, {0}};

static const struct ctl_option stripe_retry_options[] = {
        {"--all", NULL, "all parked events, calls and meter events"},
        {0},
};

static const struct ctl_option stripe_dismiss_options[] = {
        {"--why", "TEXT", "the reason, for the audit trail (required)"},
        {0},
};

static const struct ctl_option stripe_calls_options[] = {
        {"--state", "parked|failed|pending|done", "calls in this state (default: parked)"},
        LIMIT,
        {0},
};

static const struct ctl_option stripe_reconcile_options[] = {
        DRY_RUN,
        {"--days", "N", "look at the events of the last N days, 1 to 30 (default: 3 or more)"},
        {0},
};

static const struct ctl_option stripe_setup_options[] = {
        DRY_RUN,
        {"--yearly", "N", "also yearly prices, a year at the price of N months"},
        {"--webhook-url", "URL", "default: BASE_URL/api/webhooks/stripe"},
        {"--secret-out", "FILE",
         "write a new endpoint's signing secret to this new file (mode 0600); -: show it"},
        {0},
};

static const struct ctl_option stripe_account_options[] = {
        {"--accept", "ACCOUNT",
         "record the key's account, this one, in place of the one so far"},
        {0},
};

static const struct ctl_option stripe_map_options[] = {
        {"--not-ours", NULL,
         "the price is of something else: it grants nothing and is not listed"},
        DRY_RUN,
        {0},
};

static const struct ctl_option stripe_unmap_options[] = {DRY_RUN, {0}};

const struct command stripe_commands[] = {
        {"stripe", "events", NULL, run_stripe_events, CTL_DATABASE,
         .example = "stripe events --state parked",
         .summary = "List the events received from Stripe, newest first",
         .options = stripe_events_options},
        {"stripe", "show", "EVENT", run_stripe_show, CTL_DATABASE,
         .example = "stripe show evt_1f9xfSEu0E4GyCT5CaVRn9o2d",
         .summary = "Show an event and, while it is stored, its payload"},
        {"stripe", "calls", NULL, run_stripe_calls, CTL_DATABASE, .example = "stripe calls",
         .summary = "List the parked calls: requests to Stripe that failed, and why",
         .options = stripe_calls_options},
        {"stripe", "meters", NULL, run_stripe_meters, CTL_DATABASE, .example = "stripe meters",
         .summary = "List the parked meter events: usage that Stripe's meters did not take",
         .options = limit_options},
        {"stripe", "retry", "[ID]", run_stripe_retry, CTL_DATABASE | CTL_CHANGES,
         .example = "stripe retry --all",
         .summary = "Retry parked events, calls and meter events",
         .details =
                 "ID is an event, a call (call:N) or a meter event. A call is sent again with\n"
                 "a new idempotency key. Events that are not parked may be named too: their\n"
                 "object is fetched from Stripe again.\n",
         .options = stripe_retry_options},
        {"stripe", "dismiss", "ID", run_stripe_dismiss, CTL_DATABASE | CTL_CHANGES,
         .example = "stripe dismiss evt_1f9xfSEu0E4GyCT5CaVRn9o2d --why \"a subscription of "
                    "the old shop\"",
         .summary = "Record that nothing is to be done about a parked event or call",
         .details =
                 "ID is an event, or a call (call:N). It no longer counts as parked and is "
                 "not\n"
                 "tried again; the audit trail records who did it, and why. A subscription "
                 "whose\n"
                 "cancellation is dismissed is compared with Stripe in the next night: where\n"
                 "Stripe goes on with it, its customer has access again. A second\n"
                 "subscription that waits for that cancellation stays until one of the two\n"
                 "changes at Stripe; to end it earlier, cancel it there.\n",
         .options = stripe_dismiss_options},
        {"stripe", "settle", "METER_EVENT", run_stripe_settle, CTL_DATABASE | CTL_CHANGES,
         .example = "stripe settle mev_3f0c9a7d5b1e48c2a6d4e8f01b2c3d4e",
         .summary = "Record that a parked meter event was settled with its customer",
         .details = "By a credit note, for example. It no longer counts as parked; the audit "
                    "trail\n"
                    "records who did it.\n"},
        {"stripe", "reconcile", NULL, run_stripe_reconcile, CTL_DATABASE | CTL_STRIPE,
         .example = "stripe reconcile --dry-run",
         .summary = "Compare with Stripe now, and repair what differs",
         .details = "Prints a line for each difference: what, id, customer, ours -> theirs. "
                    "billingd\nrepairs them. It also compares by itself: events every quarter "
                    "of an hour,\nsubscriptions every night.\n",
         .options = stripe_reconcile_options, .exits = stripe_reconcile_exits},
        {"stripe", "setup", NULL, run_stripe_setup, CTL_STRIPE,
         .example = "stripe setup --yearly 10 --secret-out /etc/billing/stripe-webhook",
         .summary = "Create missing products, prices, meters and the webhook endpoint",
         .details =
                 "For the plans and add-ons in PLANS_FILE that have prices, in each currency\n"
                 "and interval, and the meters that they name. Existing objects are found and\n"
                 "kept. When a price changes, a new one is created, and the old one stays for\n"
                 "subscriptions that have it. Prints the settings that follow. Works in the\n"
                 "mode of the key, test or live.\n",
         .options = stripe_setup_options, .exits = stripe_setup_exits},
        {"stripe", "unknown", NULL, run_stripe_unknown, CTL_DATABASE,
         .example = "stripe unknown",
         .summary = "List the customers' subscriptions at a price that no plan has",
         .details = "These customers pay. A subscription that had a plan before keeps it; any "
                    "other\ngives no access. Name the plan with stripe map, or as metadata "
                    "plan=... of the\nprice or its product at Stripe, and run stripe "
                    "reconcile.\n",
         .options = limit_options},
        {"stripe", "map", "PRICE [PLAN]", run_stripe_map,
         CTL_DATABASE | CTL_CHANGES | CTL_RULES,
         .example = "stripe map price_1RUHkfMY enterprise",
         .summary = "Say which plan a price of Stripe's buys, or that it is of something else",
         .details = "For prices that STRIPE_PRICES does not name, such as those of negotiated "
                    "deals.\nPLAN may be an add-on, or a plan that PLANS_FILE no longer has.\n"
                    "billingd syncs the subscriptions at the price; for an add-on it compares "
                    "all with "
                    "Stripe's at once.\nAnother plan may be given later.\n",
         .options = stripe_map_options},
        {"stripe", "unmap", "PRICE", run_stripe_unmap, CTL_DATABASE | CTL_CHANGES | CTL_RULES,
         .example = "stripe unmap price_1RUHkfMY --dry-run",
         .summary = "Remove what stripe map said about a price",
         .details = "billingd syncs its subscriptions. They lose their access then, unless the "
                    "metadata of\nprice or product names a plan, and are listed as unknown. "
                    "Look with --dry-run first.\n",
         .options = stripe_unmap_options},
        {"stripe", "account", NULL, run_stripe_account, CTL_DATABASE | CTL_CHANGES | CTL_STRIPE,
         .example = "stripe account",
         .summary = "Show the account of the key, and the recorded one, which the data is of",
         .details = "billingd records the account and mode of the first key. With a key of "
                    "another\naccount or mode it sends and compares nothing, so that nothing "
                    "ends by mistake.\n",
         .options = stripe_account_options},
        {.more = import_commands},
};
