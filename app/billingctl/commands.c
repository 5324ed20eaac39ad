/* commands.c: the table of billingctl's commands, with the text of their --help. */
#include "billingctl/ctl.h"

/* Options of several commands. */
/* clang-format off */
#define KEY_OUT \
	{"--key-out", "FILE", "write the key to this new file (mode 0600) instead of showing it"}
#define LIMIT {"--limit", "N", "how many, 1 to 1000 (default: 50)"}
#define DRY_RUN {"--dry-run", NULL, "only look, change nothing"}
#define ONE_CUSTOMER "CUSTOMER is an id, or an e-mail address in any case.\n"
/* clang-format on */

static const struct ctl_option operator_create_options[] = {
        {"--role", "owner|viewer",
         "owner may do everything, viewer may only read (default: viewer)"},
        KEY_OUT,
        {0},
};

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
        {0},
};

static const struct ctl_option out_options[] = {
        {"--out", "FILE", "write it to this file (mode 0600) instead of showing it"},
        {0},
};

static const struct ctl_option license_verify_options[] = {
        {"--keys", "FILE", "public key (PEM) or keys (JWKS); default: those in KEYS_DIR"},
        {"--issuer", "ISSUER", "demand this issuer; default: any"},
        {"--revocations", "FILE", "the signed list from /api/licenses/revocations"},
        {0},
};

static const struct ctl_option key_now_options[] = {
        {"--now", NULL, "without the waiting time: verifiers may not know the key yet"},
        {0},
};

static const struct ctl_option key_distrust_options[] = {
        {"--why", "TEXT", "the reason, for the audit log"},
        {0},
};

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
        {"--why", "TEXT", "the reason, for the audit log (required)"},
        {0},
};

static const struct ctl_option customer_restore_options[] = {
        {"--why", "TEXT", "the reason, for the audit log (required)"},
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

static const struct ctl_option restore_check_options[] = {
        {"--done", NULL, "record that the lost changes were made again"},
        {0},
};

static const struct ctl_option usage_import_options[] = {
        {"--vouch", NULL, "answer for the file yourself: its signature is not checked"},
        {0},
};

const struct command ctl_commands[] = {
        {"migrate", "status", NULL, run_migrate_status, CTL_OWNER,
         .summary = "Show which migrations are applied and which are pending",
         .details = "Reads MIGRATIONS_DIR and the database; changes nothing.\n"},
        {"migrate", "up", NULL, run_migrate_up, CTL_OWNER,
         .summary = "Apply the pending migrations",
         .details = "Each runs in its own transaction and under a lock: the command may be\n"
                    "killed at any time and run several times at once. There is no way down;\n"
                    "make a backup first. With DATABASE_OWNER_URL it also lets the role of\n"
                    "DATABASE_URL do what the service needs, and makes that role if it is "
                    "missing.\n"},
        {"keys", "generate", NULL, run_keys_generate, CTL_SETTINGS,
         .summary = "Make the first signing key",
         .details =
                 "Writes private-key.pem (PKCS#8, mode 0600) and public-key.pem to KEYS_DIR.\n"
                 "Never overwrites a key.\n"},
        {"keys", "add", NULL, run_keys_add, CTL_DATABASE | CTL_CHANGES | CTL_RULES,
         .summary = "Make the next signing key, which is published and does not sign yet",
         .details =
                 "Writes next-private-key.pem to KEYS_DIR and tells every host the public key "
                 "by\n"
                 "the database. Copy the file to the other hosts. The key can be used after\n"
                 "KEY_WAIT_HOURS, when every verifier has fetched it.\n"},
        {"keys", "use", "KID", run_keys_use, CTL_DATABASE | CTL_CHANGES | CTL_RULES,
         .summary = "Sign with the added key from now on",
         .details =
                 "The key before signs no more; it stays published until its last licence has\n"
                 "expired. Every host follows within seconds, each customer gets a new "
                 "licence\n"
                 "at the next request. Refused while billingd does not publish the key. Run "
                 "it\n"
                 "on the other hosts too: it puts the files in place.\n",
         .options = key_now_options},
        {"keys", "retire", "KID", run_keys_retire, CTL_DATABASE | CTL_CHANGES | CTL_RULES,
         .summary = "Withdraw an added key that is not wanted",
         .details =
                 "The current key retires by itself when another one is used.\n"
                 "On any host it removes the files in KEYS_DIR of keys that are published no "
                 "more.\n"},
        {"keys", "distrust", "KID", run_keys_distrust, CTL_DATABASE | CTL_CHANGES | CTL_RULES,
         .summary = "End the trust in a key that may be stolen",
         .details = "It is published no more, its licences are revoked, and every customer "
                    "gets a\n"
                    "new one at the next request. If it is the current key, the added one or a "
                    "new\n"
                    "one signs at once, the revocation list too.\n",
         .options = key_distrust_options},
        {"keys", "rotate", NULL, run_keys_rotate, CTL_DATABASE | CTL_CHANGES | CTL_RULES,
         .summary = "Take the next step of a change of the signing key: add or use",
         .details = "Run it, do what it says, and run it again after KEY_WAIT_HOURS.\n",
         .options = key_now_options},
        {"keys", "list", NULL, run_keys_list, CTL_SETTINGS,
         .summary = "List the keys with their states, the current one first",
         .details = "Those of the database, else those in KEYS_DIR.\n"},
        {"operator", "create", "NAME", run_operator_create, CTL_DATABASE | CTL_CHANGES,
         .summary = "Create an operator and its key, which is shown once",
         .options = operator_create_options},
        {"operator", "list", NULL, run_operator_list, CTL_DATABASE,
         .summary = "List the operators"},
        {"operator", "revoke", "KEY_ID|NAME", run_operator_revoke, CTL_DATABASE | CTL_CHANGES,
         .summary = "Revoke an operator's key for ever"},
        {"customer", "create", "EMAIL", run_customer_create,
         CTL_DATABASE | CTL_CHANGES | CTL_KEYS,
         .summary = "Sign a customer up: trial, licence and key, which is shown once",
         .options = customer_create_options},
        {"customer", "show", "CUSTOMER", run_customer_show, CTL_DATABASE,
         .details = ONE_CUSTOMER, .summary = "Show a customer and its subscription"},
        {"customer", "list", NULL, run_customer_list, CTL_DATABASE,
         .summary = "List customers, newest first", .options = customer_list_options},
        {"customer", "restore", "CUSTOMER", run_customer_restore, CTL_DATABASE | CTL_CHANGES,
         .summary = "Give back the access that refunds and disputes have ended",
         .details = "What STRIPE_REFUND_POLICY and STRIPE_DISPUTE_POLICY have done so far is\n"
                    "taken back, and the subscription goes on at Stripe if it ends because of\n"
                    "that and has not ended yet. Later refunds and disputes count "
                    "again.\n" ONE_CUSTOMER,
         .options = customer_restore_options},
        {"license", "issue", "CUSTOMER", run_license_issue,
         CTL_DATABASE | CTL_CHANGES | CTL_KEYS, .summary = "Get a customer's current licence",
         .details = "The same licence as from the API: the stored one while it is up to "
                    "date.\n" ONE_CUSTOMER,
         .options = out_options},
        {"license", "export", "CUSTOMER", run_license_export, CTL_DATABASE | CTL_KEYS,
         .summary = "Write licence, keys and revocation list to one file",
         .details =
                 "For an instance without a network: billing-agent import FILE.\n" ONE_CUSTOMER,
         .options = out_options},
        {"license", "verify", "FILE|-", run_license_verify, CTL_NOTHING,
         .summary = "Verify a licence offline; the exit status says why it is refused",
         .details =
                 "Needs neither database nor network. FILE (- is stdin) holds the licence, or\n"
                 "the API's answer with it. Without --revocations a revoked licence passes.\n"
                 "A valid licence need not give access: that of a canceled subscription is\n"
                 "valid, too.\n",
         .options = license_verify_options, .exits = license_verify_exits},
        {"stripe", "events", NULL, run_stripe_events, CTL_DATABASE,
         .summary = "List the events received from Stripe, newest first",
         .options = stripe_events_options},
        {"stripe", "show", "EVENT", run_stripe_show, CTL_DATABASE,
         .summary = "Show an event and, while it is stored, its payload"},
        {"stripe", "calls", NULL, run_stripe_calls, CTL_DATABASE,
         .summary = "List the parked calls: requests to Stripe that failed, and why",
         .options = stripe_calls_options},
        {"stripe", "meters", NULL, run_stripe_meters, CTL_DATABASE,
         .summary = "List the parked meter events: usage that Stripe's meters did not take",
         .options = limit_options},
        {"stripe", "retry", "[ID]", run_stripe_retry, CTL_DATABASE | CTL_CHANGES,
         .summary = "Retry parked events, calls and meter events",
         .details =
                 "ID is an event, a call (call:N) or a meter event. A call is sent again with\n"
                 "a new idempotency key. Events that are not parked may be named too: their\n"
                 "object is fetched from Stripe again.\n",
         .options = stripe_retry_options},
        {"stripe", "dismiss", "ID", run_stripe_dismiss, CTL_DATABASE | CTL_CHANGES,
         .summary = "Record that nothing is to be done about a parked event or call",
         .details = "ID is an event, or a call (call:N). It no longer counts as parked and is "
                    "not\n"
                    "tried again; the audit log records who did it, and why.\n",
         .options = stripe_dismiss_options},
        {"stripe", "settle", "METER_EVENT", run_stripe_settle, CTL_DATABASE | CTL_CHANGES,
         .summary = "Record that a parked meter event was settled with its customer",
         .details =
                 "By a credit note, for example. It no longer counts as parked; the audit log\n"
                 "records who did it.\n"},
        {"stripe", "reconcile", NULL, run_stripe_reconcile, CTL_DATABASE | CTL_STRIPE,
         .summary = "Compare with Stripe now, and repair what differs",
         .details = "Prints a line for each difference: what, id, customer, ours -> theirs. "
                    "billingd\nrepairs them. It also compares by itself: events every quarter "
                    "of an hour,\nsubscriptions every night.\n",
         .options = stripe_reconcile_options, .exits = stripe_reconcile_exits},
        {"stripe", "setup", NULL, run_stripe_setup, CTL_STRIPE,
         .summary = "Create missing products, prices, meters and the webhook endpoint",
         .details =
                 "For the plans in PLANS_FILE that have a price, and the meters that they\n"
                 "name. Existing objects are found and kept. When a price changes, a new one\n"
                 "is created, and the old one stays for subscriptions that have it. Prints\n"
                 "the settings that follow. Works in the mode of the key, test or live.\n",
         .options = stripe_setup_options, .exits = stripe_setup_exits},
        {"stripe", "unknown", NULL, run_stripe_unknown, CTL_DATABASE,
         .summary = "List the customers' subscriptions at a price that no plan has",
         .details =
                 "They are paid, and the price grants nothing. Name its plan with stripe map, "
                 "or as\nmetadata plan=... of the price or its product at Stripe, and run "
                 "stripe reconcile.\n",
         .options = limit_options},
        {"stripe", "map", "PRICE [PLAN]", run_stripe_map,
         CTL_DATABASE | CTL_CHANGES | CTL_RULES,
         .summary = "Say which plan a price of Stripe's buys, or that it is of something else",
         .details = "For prices that STRIPE_PRICES does not name, such as those of negotiated "
                    "deals.\nbillingd syncs the subscriptions at the price. Another plan may "
                    "be given later.\n",
         .options = stripe_map_options},
        {"stripe", "unmap", "PRICE", run_stripe_unmap, CTL_DATABASE | CTL_CHANGES | CTL_RULES,
         .summary = "Remove what stripe map said about a price",
         .details = "billingd syncs its subscriptions. They lose their access then, unless the "
                    "metadata of\nprice or product names a plan, and are listed as unknown. "
                    "Look with --dry-run first.\n",
         .options = stripe_unmap_options},
        {"stripe", "account", NULL, run_stripe_account, CTL_DATABASE | CTL_CHANGES | CTL_STRIPE,
         .summary = "Show the account of the key, and the recorded one, which the data is of",
         .details = "billingd records the account and mode of the first key. With a key of "
                    "another\naccount or mode it sends and compares nothing, so that nothing "
                    "ends by mistake.\n",
         .options = stripe_account_options},
        {"usage", "import", "FILE|-", run_usage_import, CTL_DATABASE | CTL_CHANGES | CTL_RULES,
         .summary = "Import a file of usage reports",
         .details =
                 "The file is one that billing-agent export wrote. It is imported as a whole\n"
                 "or not at all. Reports that are stored already are not counted again;\n"
                 "missing reports are listed as gaps. Exit status 3 when files or reports are\n"
                 "missing or refused. --vouch is for files that no stored key proves: of an\n"
                 "agent of before 1.0, or of a key that has never been used here since.\n",
         .options = usage_import_options, .exits = usage_import_exits},
        {"restore", "check", NULL, run_restore_check, CTL_DATABASE | CTL_CHANGES,
         .summary = "List what a restored database has lost since its backup",
         .details =
                 "billingd notices when the database is behind the revocation list that it\n"
                 "published, and revokes again what that list revokes. This lists those\n"
                 "licences and customers. Cancel, revoke and delete again what was lost; then\n"
                 "run it with --done, which ends the warning of doctor and /health/ready.\n",
         .options = restore_check_options, .exits = restore_check_exits},
        {"doctor", NULL, NULL, run_doctor, CTL_NOTHING,
         .summary = "Check the installation and name a cure for each fault",
         .details =
                 "Changes nothing. Exit status 1 if something is wrong. A warning names what\n"
                 "may be wanted, and does not count.\n"},
        {"completion", NULL, "bash|zsh", run_completion, CTL_NOTHING,
         .summary = "Print a script that completes these commands in a shell",
         .details =
                 "For bash: source <(billingctl completion bash), in ~/.bashrc for example.\n"
                 "For zsh: write it to a file _billingctl in a folder of fpath.\n"},
        {0},
};
