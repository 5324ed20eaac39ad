/* usage.c: the table of billingctl's commands about licences, instances and usage. */
#include "billingctl-commands/commands.h"

/* clang-format off */
#define OUT {"--out", "FILE", "write it to this file (mode 0600) instead of showing it"}
/* clang-format on */

static const struct ctl_option out_options[] = {OUT, {0}};

static const struct ctl_option license_issue_options[] = {
        OUT,
        {"--request", "FILE", "answer the request that billing-agent request wrote"},
        {0},
};

static const struct ctl_option license_verify_options[] = {
        {"--keys", "FILE", "public key (PEM) or keys (JWKS); default: those in KEYS_DIR"},
        {"--issuer", "ISSUER", "demand this issuer; default: any"},
        {"--revocations", "FILE", "the signed list from /api/licenses/revocations"},
        {0},
};

static const struct ctl_option usage_import_options[] = {
        {"--vouch", NULL, "answer for the file yourself: its signature is not checked"},
        {0},
};

static const struct ctl_option page_options[] = {PAGE_LIMIT, CURSOR, {0}};
static const struct ctl_option once_options[] = {ONCE, {0}};

static const struct ctl_option license_revoke_options[] = {
        {"--why", "TEXT", "the reason, which is stored with the licences"},
        YES,
        ONCE,
        {0},
};

static const struct ctl_option instance_activate_options[] = {
        {"--lease-hours", "N", "how long, 1 to 8760 (default: INSTANCE_LEASE_HOURS)"},
        {"--kind", "KIND", "production, staging or development (default: as it is)"},
        {0},
};

static const struct ctl_option instance_transfer_options[] = {
        {"--to", "INSTANCE", "the other instance (required)"},
        ONCE,
        {0},
};

static const struct ctl_option usage_list_options[] = {
        {"--from", "TIME", "only reports from then on, as 2026-11-01T00:00:00Z"},
        {"--to", "TIME", "only reports before then"},
        {"--instance-id", "INSTANCE", "only those of this instance"},
        PAGE_LIMIT,
        CURSOR,
        {0},
};

static const struct ctl_option usage_days_options[] = {
        {"--from", "DATE", "from this day on (UTC), as 2026-11-01"},
        {"--to", "DATE", "up to this day"},
        {"--instance-id", "INSTANCE", "only the use of this instance"},
        {0},
};

static const struct ctl_option usage_correct_options[] = {
        {"--active-devices", "N", "the right number (default: as reported)"},
        {"--total-devices", "N", "the right number (default: as reported)"},
        {"--metrics", "NAME=N,...", "the right values of these metrics"},
        {"--why", "TEXT", "the reason, which is stored with the correction (required)"},
        ONCE,
        {0},
};

static const struct ctl_option usage_cleanup_options[] = {
        {"--days", "N", "reports of the last N days stay (default: 90)"},
        YES,
        {0},
};

static const struct ctl_option plans_diff_options[] = {
        {"--customers", NULL, "list the customers, not only their number"},
        LIMIT,
        {0},
};

#define SHORT_LICENCE                                                                          \
	"While the payment of a period is on its way, a bundle's licence may last only\n"      \
	"days: stderr says so, and when it ends. Issue another one when it is paid.\n"

const struct command usage_commands[] = {
        {"license", "issue", "[CUSTOMER]", run_license_issue,
         CTL_DATABASE | CTL_CHANGES | CTL_KEYS,
         .example = "license issue jane@example.com --out acme.jwt\n"
                    "license issue --request plant-7.request --out plant-7.json",
         .summary = "Get a customer's current licence",
         .details =
                 "The same licence as from the API: the stored one while it is up to "
                 "date.\n"
                 "With --request it issues a licence bound to the instance in the request\n"
                 "file, and writes a bundle (see license export). The instance is activated\n"
                 "until that licence ends. Each request is answered once.\n" SHORT_LICENCE
                         ONE_CUSTOMER,
         .options = license_issue_options},
        {"license", "export", "CUSTOMER", run_license_export, CTL_DATABASE | CTL_KEYS,
         .example = "license export cust_466f4f1fc32a163337ba6375d30a656f --out carry.json",
         .summary = "Write licence, keys and revocation list to one file",
         .details =
                 "For an instance without a network: billing-agent import FILE.\n" SHORT_LICENCE
                         ONE_CUSTOMER,
         .options = out_options},
        {"license", "verify", "FILE|-", run_license_verify, CTL_NOTHING,
         .example = "license verify acme.jwt",
         .summary = "Verify a licence offline; the exit status says why it is refused",
         .details =
                 "Needs neither database nor network. FILE (- is stdin) holds the licence, or\n"
                 "the API's answer with it. Without --revocations a revoked licence passes.\n"
                 "A valid licence need not give access: that of a canceled subscription is\n"
                 "valid, too.\n",
         .options = license_verify_options, .exits = license_verify_exits},
        {"license", "list", "CUSTOMER", run_request, API_READS,
         .example = "license list jane@example.com",
         .summary = "List the licences that a customer got, newest first",
         .details = ONE_CUSTOMER, .options = page_options,
         REQUEST(HTTP_GET, API_LICENSE "/history", .list = "licenses",
                 .columns = "jti kid plan reason issued_at expires_at revoked_at "
                            "revoke_reason")},
        {"license", "rotate", "CUSTOMER", run_request, API_SIGNS,
         .example = "license rotate jane@example.com",
         .summary = "Revoke a customer's licence and issue another one",
         .details = "For a licence that may be in other hands.\n" ONE_CUSTOMER,
         .options = once_options,
         REQUEST(HTTP_POST, API_LICENSE "/rotate",
                 .values = "customer_id plan status license")},
        {"license", "revoke", "CUSTOMER", run_request, API_READS,
         .example = "license revoke joe@example.com --why 'charged back' --yes",
         .summary = "Cancel a customer's subscription and revoke its licences",
         .details = ONE_CUSTOMER, .options = license_revoke_options,
         REQUEST(HTTP_POST, API_LICENSE "/revoke",
                 .danger = "the customer's subscription is cancelled and its licences are "
                           "revoked")},
        {"instance", "list", "CUSTOMER", run_request, API_READS,
         .example = "instance list jane@example.com", .summary = "List a customer's instances",
         .details = ONE_CUSTOMER, .options = page_options,
         REQUEST(HTTP_GET, API_CUSTOMER "/instances", .list = "instances",
                 .columns = "instance_id kind state version first_seen_at last_seen_at "
                            "lease_expires_at active_devices total_devices")},
        {"instance", "activate", "CUSTOMER INSTANCE", run_request, API_READS,
         .example = "instance activate jane@example.com plant-7",
         .summary = "Activate an instance, or prolong its lease", .details = ONE_CUSTOMER,
         .options = instance_activate_options,
         REQUEST(HTTP_PUT, API_INSTANCE, .second = "instance_id", .values = "instance")},
        {"instance", "release", "CUSTOMER INSTANCE", run_request, API_READS,
         .example = "instance release jane@example.com plant-7",
         .summary = "Release an instance, so that another one can be activated",
         .details = ONE_CUSTOMER,
         REQUEST(HTTP_DELETE, API_INSTANCE, .second = "instance_id", .values = "instance")},
        {"instance", "transfer", "CUSTOMER INSTANCE", run_request, API_READS,
         .example = "instance transfer jane@example.com plant-7 --to plant-8",
         .summary = "Move the activation of an instance to another one",
         .details = "It keeps kind and lease. Licences that are bound to the instance are "
                    "revoked.\n" ONE_CUSTOMER,
         .options = instance_transfer_options,
         REQUEST(HTTP_POST, API_INSTANCE "/transfer", .second = "instance_id",
                 .values = "instance")},
        {"usage", "list", "CUSTOMER", run_request, API_READS,
         .example = "usage list jane@example.com --from 2026-11-01T00:00:00Z",
         .summary = "List a customer's usage reports, newest first", .details = ONE_CUSTOMER,
         .options = usage_list_options,
         REQUEST(HTTP_GET, API_USAGE, .list = "reports",
                 .columns = "id reported_at instance_id active_devices total_devices metrics "
                            "corrects superseded_by")},
        {"usage", "latest", "CUSTOMER", run_request, API_READS,
         .example = "usage latest jane@example.com",
         .summary = "Show a customer's latest usage report", .details = ONE_CUSTOMER,
         REQUEST(HTTP_GET, API_USAGE "/latest", .values = "report")},
        {"usage", "days", "CUSTOMER", run_request, API_READS,
         .example = "usage days jane@example.com --from 2026-11-01 --to 2026-11-30",
         .summary = "List a customer's use of each day", .details = ONE_CUSTOMER,
         .options = usage_days_options,
         REQUEST(HTTP_GET, API_USAGE "/daily", .list = "days",
                 .columns = "date reports instances active_devices_max active_devices_peak "
                            "total_devices_max total_devices_peak metrics",
                 .values = "counted_until")},
        {"usage", "limits", "CUSTOMER", run_request, API_READS,
         .example = "usage limits jane@example.com",
         .summary = "Show how much of its plan a customer uses", .details = ONE_CUSTOMER,
         REQUEST(HTTP_GET, API_USAGE "/limits")},
        {"usage", "correct", "CUSTOMER REPORT", run_request, API_READS,
         .example = "usage correct jane@example.com 4711 --active-devices 12 --why 'counted "
                    "twice'",
         .summary = "Replace the values of a usage report",
         .details = "REPORT is its id, see usage list. The report stays, and names its "
                    "correction.\n" ONE_CUSTOMER,
         .options = usage_correct_options,
         REQUEST(HTTP_POST, API_USAGE "/corrections", .second = "id", .values = "report")},
        {"usage", "import", "FILE|-", run_usage_import, CTL_DATABASE | CTL_CHANGES | CTL_RULES,
         .example = "usage import july.usage", .summary = "Import a file of usage reports",
         .details =
                 "The file is one that billing-agent export wrote. It is imported as a whole\n"
                 "or not at all. Reports that are stored already are not counted again;\n"
                 "missing reports are listed as gaps. Exit status 3 when files or reports are\n"
                 "missing or refused. --vouch is for files whose signature cannot be checked:\n"
                 "from an agent older than 1.0, or signed under an API key that was made "
                 "before\n"
                 "1.0 and not used since.\n",
         .options = usage_import_options, .exits = usage_import_exits},
        {"usage", "cleanup", NULL, run_request, API_READS,
         .example = "usage cleanup --days 400 --yes",
         .summary = "Delete old usage reports of all customers",
         .details = "The sums of each day stay. billingd deletes them by itself after\n"
                    "USAGE_RETENTION_DAYS.\n",
         .options = usage_cleanup_options,
         REQUEST(HTTP_DELETE, "/api/usage/cleanup", .danger = "old usage reports are deleted")},
        {"plans", "list", NULL, run_request, API_READS, .example = "plans list",
         .summary = "List the plans with their prices",
         REQUEST(HTTP_GET, "/api/plans", .list = "plans",
                 .columns = "plan name prices features limits")},
        {"plans", "diff", "[FILE]", run_plans_diff, CTL_DATABASE,
         .example = "plans diff plans-new.json\nplans diff --customers --limit 1000",
         .summary = "Show which customers gain and lose what by a changed plans.json",
         .details =
                 "Compares FILE (default: PLANS_FILE, as it is on the disk) with the terms "
                 "that\n"
                 "were in force last. Run it before a reload. Exit status 3 when a customer\n"
                 "would lose something. Add-ons are shown as +ID. Losses of a plan take "
                 "effect\n"
                 "as PLAN_REDUCTIONS says, those of an add-on at once. A plan or an add-on "
                 "that\n"
                 "FILE lacks stays as it is for its customers; take it out of STRIPE_PRICES, "
                 "too.\n",
         .options = plans_diff_options, .exits = plans_diff_exits},
        {.more = analytics_commands},
};
