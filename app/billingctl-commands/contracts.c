/* contracts.c: the table of billingctl's commands about contracts. */
#include "billingctl-commands/commands.h"

/* clang-format off */
#define TERMS \
	{"--price", "PRICE", "such as amount_minor=120000,currency=eur,interval=year"}, \
	{"--features", "NAME=VALUE,...", "values in place of the plan's; {} for none"}, \
	{"--limits", "NAME=VALUE,...", "likewise; null is a limit without a bound"}, \
	{"--overage", "NAME=FACTOR,...", "how far use may exceed a limit: maxDevices=1.1"}, \
	{"--reference", "TEXT", "the number of an offer, say; the licence has it"}, \
	{"--note", "TEXT", "for operators alone"}, \
	DRY_RUN
#define SEEN {"--of-version", "VERSION", "the version that you have seen: another one is refused"}
/* clang-format on */

static const struct ctl_option create_options[] = {
        {"--billing", "manual|stripe_invoice",
         "paid elsewhere, or by invoices that Stripe sends (required)"},
        {"--ends-at", "TIME", "when it ends (required)"},
        {"--starts-at", "TIME", "when it begins, as 2027-01-01T00:00:00Z (default: now)"},
        {"--days-until-due", "DAYS", "of the invoices that Stripe sends (default: 30)"},
        TERMS,
        ONCE,
        {0},
};

static const struct ctl_option amend_options[] = {
        {"--of-version", "VERSION",
         "the version that you have seen: another one is refused (required)"},
        {"--plan", "PLAN", "another plan"},
        {"--ends-at", "TIME", "another end; a later one takes back one that was set"},
        {"--starts-at", "TIME", "another start, while it has not begun"},
        {"--days-until-due", "DAYS", "of the invoices that Stripe sends"},
        TERMS,
        {0},
};

static const struct ctl_option end_options[] = {
        {"--at", "TIME", "when it ends (default: now)"},
        {"--why", "TEXT", "the reason"},
        SEEN,
        DRY_RUN,
        YES,
        ONCE,
        {0},
};

static const struct ctl_option page_options[] = {
        {"--limit", "N", "how many, 1 to 20 (default: 20)"},
        CURSOR,
        {0},
};

#define API_CONTRACT API_CUSTOMER "/contracts/:contract_id"
#define SHOWN "contract dry_run"

const struct command contract_commands[] = {
        {"contract", "list", "CUSTOMER", run_request, API_READS,
         .example = "contract list jane@example.com",
         .summary = "List a customer's contracts, newest first",
         .details = "With --json all versions of their terms are shown.\n" ONE_CUSTOMER,
         .options = page_options,
         REQUEST(HTTP_GET, API_CUSTOMER "/contracts", .list = "contracts",
                 .columns = "contract_id status plan billing starts_at ends_at version "
                            "reference")},
        {"contract", "create", "CUSTOMER PLAN", run_request, API_READS,
         .example = "contract create jane@example.com enterprise --billing manual --ends-at "
                    "2027-12-31T00:00:00Z --features maxDevices=2000 --reference 'PO 4711'",
         .summary = "Make a contract: a deal outside the price list",
         .details = "It counts from its start to its end by these dates. A running trial ends "
                    "when it\nstarts. One that starts when another ends renews "
                    "it.\n" ONE_CUSTOMER,
         .options = create_options,
         REQUEST(HTTP_POST, API_CUSTOMER "/contracts", .second = "plan", .values = SHOWN)},
        {"contract", "amend", "CUSTOMER CONTRACT_ID", run_request, API_READS,
         .example = "contract amend jane@example.com con_5f1e2d3c4b5a69788796a5b4c3d2e1f0 "
                    "--of-version 1 --ends-at 2028-12-31T00:00:00Z",
         .summary = "Amend a contract: its terms become the next version",
         .details = "Terms that are not given stay as they are.\n" ONE_CUSTOMER,
         .options = amend_options,
         REQUEST(HTTP_PATCH, API_CONTRACT, .second = "contract_id", .values = SHOWN)},
        {"contract", "end", "CUSTOMER CONTRACT_ID", run_request, API_READS,
         .example = "contract end jane@example.com con_5f1e2d3c4b5a69788796a5b4c3d2e1f0 --why "
                    "'moves to Stripe' --yes",
         .summary = "End a contract now, or set its end",
         .details = "From then on the customer may check out for a subscription, which begins "
                    "to bill\nwhen the contract ends.\n" ONE_CUSTOMER,
         .options = end_options,
         REQUEST(HTTP_POST, API_CONTRACT "/end", .second = "contract_id", .values = SHOWN,
                 .danger = "the customer's contract ends")},
        {.more = usage_commands},
};
