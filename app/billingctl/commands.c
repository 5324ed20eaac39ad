/*
 * commands.c: THE table of commands: to read it is to read the tool.
 */
#include "billingctl/ctl.h"

static const struct ctl_option operator_create_options[] = {
        {"--role", "owner|viewer",
         "what the operator may do: everything, or everything that reads (default: viewer)"},
        {"--key-out", "FILE",
         "put the key into this new file (mode 0600) instead of showing it"},
        {0},
};

static const struct ctl_option customer_create_options[] = {
        {"--company", "NAME", "the company's name, as it stands in licences"},
        {"--key-out", "FILE",
         "put the key into this new file (mode 0600) instead of showing it"},
        {0},
};

static const struct ctl_option customer_list_options[] = {
        {"--limit", "N", "how many, 1 to 1000 (default: 50)"},
        {"--email", "EMAIL", "only the one with this address, whatever its case"},
        {"--query", "TEXT", "only those whose e-mail or company's name starts with this"},
        {0},
};

static const struct ctl_option license_issue_options[] = {
        {"--out", "FILE", "put the licence into this file (mode 0600) instead of showing it"},
        {0},
};

static const struct ctl_option license_export_options[] = {
        {"--out", "FILE", "put it into this file (mode 0600) instead of showing it"},
        {0},
};

static const struct ctl_option license_verify_options[] = {
        {"--keys", "FILE", "public key (PEM) or keys (JWKS); default: those in KEYS_DIR"},
        {"--issuer", "ISSUER", "demand this issuer; default: any"},
        {"--revocations", "FILE", "the signed list from /api/licenses/revocations"},
        {0},
};

static const struct ctl_option stripe_events_options[] = {
        {"--state", "pending|done|ignored|parked", "only those (default: all)"},
        {"--limit", "N", "how many, 1 to 1000 (default: 50)"},
        {0},
};

static const struct ctl_option stripe_calls_options[] = {
        {"--limit", "N", "how many, 1 to 1000 (default: 50)"},
        {0},
};

static const struct ctl_option stripe_retry_options[] = {
        {"--all", NULL, "all parked events, calls and meter events"},
        {0},
};

static const struct ctl_option stripe_reconcile_options[] = {
        {"--dry-run", NULL, "only look, change nothing"},
        {"--days", "N", "look so far back for events, 1 to 30 (default: 3 or more)"},
        {0},
};

static const struct ctl_option stripe_setup_options[] = {
        {"--dry-run", NULL, "only look, change nothing"},
        {"--yearly", "N", "also yearly prices, a year at the price of N months"},
        {"--webhook-url", "URL", "default: BASE_URL/api/webhooks/stripe"},
        {"--secret-out", "FILE",
         "put a new endpoint's signing secret into this new file (mode 0600); -: show it"},
        {0},
};

const struct command ctl_commands[] = {
        {.group = "migrate",
         .name = "status",
         .summary = "Show which migrations are applied and which are pending",
         .details = "Reads MIGRATIONS_DIR and the database; changes nothing.\n",
         .needs = CTL_SETTINGS,
         .run = run_migrate_status},
        {.group = "migrate",
         .name = "up",
         .summary = "Apply the pending migrations",
         .details =
                 "Each in a transaction of its own and under a lock: it may be killed at any\n"
                 "time and run by several at once. There is no way down; make a backup "
                 "first.\n",
         .needs = CTL_SETTINGS,
         .run = run_migrate_up},
        {.group = "keys",
         .name = "generate",
         .summary = "Make the first signing key",
         .details =
                 "Makes private-key.pem (PKCS#8, mode 0600) and public-key.pem in KEYS_DIR.\n"
                 "Never overwrites a key.\n",
         .needs = CTL_SETTINGS,
         .run = run_keys_generate},
        {.group = "keys",
         .name = "rotate",
         .summary = "Make a new signing key; the old one goes on verifying",
         .details = "The old public key stays published until the last licence that it signed "
                    "has\n"
                    "expired, which the database tells. billingd must be reloaded afterwards, "
                    "and\n"
                    "within two days.\n",
         .needs = CTL_DATABASE,
         .run = run_keys_rotate},
        {.group = "keys",
         .name = "list",
         .summary = "List the published keys, newest first",
         .needs = CTL_SETTINGS,
         .run = run_keys_list},
        {.group = "operator",
         .name = "create",
         .argument = "NAME",
         .summary = "Make an operator and its key, which is shown once",
         .options = operator_create_options,
         .needs = CTL_DATABASE,
         .run = run_operator_create},
        {.group = "operator",
         .name = "list",
         .summary = "List the operators",
         .needs = CTL_DATABASE,
         .run = run_operator_list},
        {.group = "operator",
         .name = "revoke",
         .argument = "KEY_ID|NAME",
         .summary = "Revoke an operator's key, from now on and for ever",
         .needs = CTL_DATABASE,
         .run = run_operator_revoke},
        {.group = "customer",
         .name = "create",
         .argument = "EMAIL",
         .summary = "Sign a customer up: trial, licence and key, which is shown once",
         .options = customer_create_options,
         .needs = CTL_DATABASE | CTL_KEYS,
         .run = run_customer_create},
        {.group = "customer",
         .name = "show",
         .argument = "CUSTOMER_ID",
         .summary = "Show a customer and its subscription",
         .needs = CTL_DATABASE,
         .run = run_customer_show},
        {.group = "customer",
         .name = "list",
         .summary = "List customers, newest first",
         .options = customer_list_options,
         .needs = CTL_DATABASE,
         .run = run_customer_list},
        {.group = "license",
         .name = "issue",
         .argument = "CUSTOMER_ID",
         .summary = "Hand out a customer's current licence",
         .details = "The one that the API would give: the kept one while it still holds.\n",
         .options = license_issue_options,
         .needs = CTL_DATABASE | CTL_KEYS,
         .run = run_license_issue},
        {.group = "license",
         .name = "export",
         .argument = "CUSTOMER_ID",
         .summary = "Write licence, keys and revocation list as one file to carry",
         .details = "For an instance that no network reaches: billing-agent import FILE.\n",
         .options = license_export_options,
         .needs = CTL_DATABASE | CTL_KEYS,
         .run = run_license_export},
        {.group = "license",
         .name = "verify",
         .argument = "FILE|-",
         .summary = "Judge a licence offline; the exit status tells why it is refused",
         .details =
                 "Needs neither database nor network. FILE (- is stdin) holds the licence, or\n"
                 "the API's answer with it. Without --revocations a revoked licence passes.\n"
                 "Of access it says nothing: that of a canceled subscription is valid, too.\n",
         .options = license_verify_options,
         .exits = license_verify_exits,
         .run = run_license_verify},
        {.group = "stripe",
         .name = "events",
         .summary = "List what Stripe told us, newest first",
         .options = stripe_events_options,
         .needs = CTL_DATABASE,
         .run = run_stripe_events},
        {.group = "stripe",
         .name = "show",
         .argument = "EVENT",
         .summary = "Show an event and, while it is kept, what Stripe sent",
         .needs = CTL_DATABASE,
         .run = run_stripe_show},
        {.group = "stripe",
         .name = "calls",
         .summary = "List what we asked of Stripe in vain: the parked calls",
         .options = stripe_calls_options,
         .needs = CTL_DATABASE,
         .run = run_stripe_calls},
        {.group = "stripe",
         .name = "meters",
         .summary = "List what Stripe's meters could not be told: the parked meter events",
         .options = stripe_calls_options,
         .needs = CTL_DATABASE,
         .run = run_stripe_meters},
        {.group = "stripe",
         .name = "retry",
         .argument = "[ID]",
         .summary = "Try again what is parked",
         .details = "ID is an event, a call (call:N) or a meter event. A call is asked anew, "
                    "with\na "
                    "new idempotency key. Other events than parked ones may be named too: "
                    "what they\nare about is fetched again.\n",
         .options = stripe_retry_options,
         .needs = CTL_DATABASE,
         .run = run_stripe_retry},
        {.group = "stripe",
         .name = "settle",
         .argument = "METER_EVENT",
         .summary = "Note that a parked meter event was squared with its customer",
         .details = "With a credit note, say. It no longer counts as parked; the audit trail "
                    "says who.\n",
         .needs = CTL_DATABASE,
         .run = run_stripe_settle},
        {.group = "stripe",
         .name = "reconcile",
         .summary = "Compare with Stripe now, and repair what differs",
         .details = "Prints a line for each difference: what, id, customer, ours -> theirs. "
                    "billingd\nrepairs them; it compares by itself too: events every quarter "
                    "of an hour,\nsubscriptions every night.\n",
         .options = stripe_reconcile_options,
         .exits = stripe_reconcile_exits,
         .needs = CTL_DATABASE | CTL_STRIPE,
         .run = run_stripe_reconcile},
        {.group = "stripe",
         .name = "setup",
         .summary = "Make what the account lacks: products, prices, meters, webhook endpoint",
         .details = "For the plans in PLANS_FILE that have a price, and the meters they name. "
                    "What is there is found "
                    "again and\nstays; a changed price is made anew, and the old one stays "
                    "valid for who has it.\nAnswers with the settings that follow. In the "
                    "mode of the key: test or live.\n",
         .options = stripe_setup_options,
         .exits = stripe_setup_exits,
         .needs = CTL_STRIPE,
         .run = run_stripe_setup},
        {.group = "usage",
         .name = "import",
         .argument = "FILE|-",
         .summary = "Take in usage that was carried here as a file",
         .details = "The file is what billing-agent export wrote. All of it is taken, or "
                    "nothing; what\n"
                    "is here already counts once. Reports that never arrived show as gaps. "
                    "Exit status\n"
                    "3 when files or reports are missing or refused.\n",
         .exits = usage_import_exits,
         .needs = CTL_DATABASE | CTL_RULES,
         .run = run_usage_import},
        {.group = "doctor",
         .summary = "Look for everything that could be wrong, and name each cure",
         .details = "Changes nothing. Exit status 1 if something is wrong.\n",
         .run = run_doctor},
        {0},
};
