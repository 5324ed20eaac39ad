/* customers.c: the table of billingctl's commands about customers and their keys. */
#include "billingctl-commands/commands.h"

static const struct ctl_option customer_create_options[] = {
        {"--company", "NAME", "the company's name, which licences show"},
        KEY_OUT,
        {0},
};

static const struct ctl_option customer_list_options[] = {
        LIMIT,
        {"--email", "EMAIL", "only the customer with this address, in any case"},
        {"--query", "TEXT", "only customers whose e-mail or company starts with this"},
        {"--status", "STATUS", "only those whose subscription has it, or none"},
        {"--plan", "PLAN", "only those with this plan"},
        {"--stripe", "ID", "only the customer with this id at Stripe, or of this subscription"},
        {"--pending-email", NULL, "only those that ask for another address"},
        CURSOR,
        {0},
};

static const struct ctl_option customer_restore_options[] = {
        {"--why", "TEXT", "the reason, for the audit trail (required)"},
        {0},
};

static const struct ctl_option customer_update_options[] = {
        {"--email", "EMAIL", "the new address, which counts at once"},
        {"--company", "NAME", "the company's new name"},
        {"--no-company", NULL, "the customer is no company any more"},
        {"--notices", "true|false", "whether it gets notices by e-mail"},
        {0},
};

static const struct ctl_option yes_options[] = {YES, {0}};

static const struct ctl_option customer_export_options[] = {
        {"--csv", NULL, "only the usage reports, in CSV"},
        {"--from", "TIME", "only reports from then on, as 2026-11-01T00:00:00Z"},
        {"--to", "TIME", "only reports before then"},
        {"--limit", "N", "how many reports, 1 to 10000 (default: 1000)"},
        CURSOR,
        {"--out", "FILE", "write it to this file (mode 0600) instead of showing it"},
        {0},
};

static const struct ctl_option apikey_create_options[] = {
        {"--name", "NAME", "what the key is for"},
        {"--scopes", "SCOPE,...", "some of license, usage, billing (default: all)"},
        KEY_OUT,
        {0},
};

static const struct ctl_option customer_link_options[] = {
        {"--expires-in-minutes", "N", "how long it can be used, 5 to 10080 (default: 60)"},
        {0},
};

static const struct ctl_option override_set_options[] = {
        {"--features", "NAME=VALUE,...", "these features have these values"},
        {"--limits", "NAME=N,...", "these limits are so high; NAME=null: without a bound"},
        {"--expires-at", "TIME", "until then (default: without an end)"},
        {"--why", "TEXT", "the reason, which everybody who looks sees (required)"},
        DRY_RUN,
        {0},
};

const struct command customer_commands[] = {
        {"customer", "create", "EMAIL", run_customer_create,
         CTL_DATABASE | CTL_CHANGES | CTL_KEYS,
         .example = "customer create joe@example.com --company 'Bolt Ltd'",
         .summary = "Sign a customer up: trial, licence and key, which is shown once",
         .options = customer_create_options},
        {"customer", "show", "CUSTOMER", run_customer_show, CTL_DATABASE | CTL_RULES,
         .details = ONE_CUSTOMER,
         .example = "customer show cust_466f4f1fc32a163337ba6375d30a656f",
         .summary = "Show a customer, its subscription, and what it may use and why"},
        {"customer", "list", NULL, run_customer_list, CTL_DATABASE,
         .example = "customer list --query acme", .summary = "List customers, newest first",
         .options = customer_list_options},
        {"customer", "restore", "CUSTOMER", run_customer_restore, CTL_DATABASE | CTL_CHANGES,
         .example = "customer restore cust_466f4f1fc32a163337ba6375d30a656f --why 'refunded by "
                    "mistake'",
         .summary = "Give back the access that refunds and disputes have ended",
         .details = "What STRIPE_REFUND_POLICY and STRIPE_DISPUTE_POLICY have done so far is\n"
                    "taken back, and the subscription goes on at Stripe if it ends because of\n"
                    "that and has not ended yet. Later refunds and disputes count "
                    "again.\n" ONE_CUSTOMER,
         .options = customer_restore_options},
        {"customer", "update", "CUSTOMER", run_request, API_READS,
         .example = "customer update joe@example.com --company 'Bolt and Sons'",
         .summary = "Change a customer's address or company", .details = ONE_CUSTOMER,
         .options = customer_update_options,
         REQUEST(HTTP_PATCH, API_CUSTOMER, .values = "customer")},
        {"customer", "delete", "CUSTOMER", run_request, API_READS,
         .example = "customer delete joe@example.com --yes",
         .summary = "Delete a customer's personal data, for ever",
         .details = "Its keys and licences are revoked and its subscription is cancelled. "
                    "Invoices and\nusage stay, under the id alone.\n" ONE_CUSTOMER,
         .options = yes_options,
         REQUEST(HTTP_DELETE, API_CUSTOMER,
                 .danger = "the customer's personal data is deleted for ever")},
        {"customer", "export", "CUSTOMER", run_request, API_READS,
         .example = "customer export joe@example.com --out joe.json",
         .summary = "Write everything that is stored about a customer, as JSON",
         .details = ONE_CUSTOMER, .options = customer_export_options,
         REQUEST(HTTP_GET, API_CUSTOMER "/export", .document = true)},
        {"customer", "link", "CUSTOMER", run_request, API_READS,
         .example = "customer link joe@example.com",
         .summary = "Make a link that opens the customer's account page once, without a key",
         .details = "Whoever has the link is the customer for 12 hours; it is shown only "
                    "now.\n" ONE_CUSTOMER,
         .options = customer_link_options, REQUEST(HTTP_POST, API_CUSTOMER "/links")},
        {"apikey", "list", "CUSTOMER", run_request, API_READS,
         .example = "apikey list joe@example.com", .summary = "List a customer's API keys",
         .details = ONE_CUSTOMER,
         REQUEST(HTTP_GET, API_CUSTOMER "/keys", .list = "keys",
                 .columns = "key_id name prefix scopes created_at last_used_at revoked_at")},
        {"apikey", "create", "CUSTOMER", run_apikey_create, CTL_DATABASE | CTL_CHANGES,
         .example = "apikey create joe@example.com --name agent --scopes license,usage",
         .summary = "Make an API key of a customer, which is shown once",
         .details = ONE_CUSTOMER, .options = apikey_create_options},
        {"apikey", "revoke", "CUSTOMER KEY_ID", run_request, API_READS,
         .example = "apikey revoke joe@example.com key_4fd4577afc9449fbdafa2cb1",
         .summary = "Revoke an API key of a customer for ever", .details = ONE_CUSTOMER,
         REQUEST(HTTP_DELETE, API_CUSTOMER "/keys/:key_id", .second = "key_id")},
        {"entitlement", "show", "CUSTOMER", run_request, API_READS,
         .example = "entitlement show jane@example.com",
         .summary = "Show what a customer may use, why, and until when",
         .details = "Each feature and limit comes from the plan, an add-on, a contract or an "
                    "override.\n" ONE_CUSTOMER,
         REQUEST(HTTP_GET, API_CUSTOMER "/entitlements", .list = "features limits",
                 .columns = "value source until", .values = "customer_id plan access until")},
        {"override", "show", "CUSTOMER", run_request, API_READS,
         .example = "override show jane@example.com",
         .summary = "Show what a customer was given in place of its plan",
         .details = ONE_CUSTOMER, REQUEST(HTTP_GET, API_CUSTOMER "/overrides")},
        {"override", "set", "CUSTOMER", run_request, API_SIGNS,
         .example = "override set jane@example.com --features maxDevices=80 --why 'trade fair' "
                    "--dry-run",
         .summary = "Give a customer other features and limits than its plan's",
         .details = "The new set replaces the whole old one. Without --features and --limits "
                    "it\nremoves it. The customer gets a new licence.\n" ONE_CUSTOMER,
         .options = override_set_options,
         REQUEST(HTTP_PUT, API_CUSTOMER "/overrides",
                 .list = "entitlements.features entitlements.limits",
                 .columns = "value source until", .values = "customer_id dry_run overrides")},
        {.more = subscription_commands},
};
