/* analytics.c: the table of billingctl's commands about what customers are worth. */
#include "billingctl-commands/commands.h"

/* clang-format off */
#define CURRENCY {"--currency", "CURRENCY", "only this currency, as usd"}
/* clang-format on */

static const struct ctl_option revenue_options[] = {
        {"--from", "MONTH", "from this month (UTC) on, as 2026-01 (default: a year back)"},
        {"--to", "MONTH", "up to this month (default: the present one)"},
        CURRENCY,
        {0},
};

static const struct ctl_option movement_options[] = {
        {"--month", "MONTH", "of this month (UTC), as 2026-01 (default: the present one)"},
        {"--kind", "KIND", "new, expansion, contraction, churn, reactivation or opening"},
        {"--plan", "PLAN", "only those to or from this plan"},
        CURRENCY,
        PAGE_LIMIT,
        CURSOR,
        {0},
};

static const struct ctl_option trial_options[] = {
        {"--from", "DATE", "from the week of this day (UTC) on (default: twelve weeks back)"},
        {"--to", "DATE", "up to this day (default: today)"},
        {0},
};

static const struct ctl_option use_options[] = {
        {"--metric", "METRIC", "active_devices (default), or a metric of plans.json"},
        {"--from", "DATE", "from this day (UTC) on (default: 30 days back)"},
        {"--to", "DATE", "up to this day (default: today)"},
        {0},
};

static const struct ctl_option limit_options[] = {
        {"--above", "PERCENT", "at least this share of the limit, 50 to 1000 (default: 80)"},
        PAGE_LIMIT,
        CURSOR,
        {0},
};

static const struct ctl_option renewal_options[] = {
        {"--days", "N", "within so many days, 1 to 400 (default: 90)"},
        PAGE_LIMIT,
        CURSOR,
        {0},
};

static const struct ctl_option check_options[] = {
        {"--offline", NULL, "without Stripe's list"},
        {0},
};

const struct command analytics_commands[] = {
        {"analytics", "revenue", NULL, run_request, API_READS,
         .example = "analytics revenue --from 2026-10 --currency usd",
         .summary = "Show MRR by month: its start, the movements, its end",
         .details = "Amounts are in minor units. --json also prints what each number means.\n",
         .options = revenue_options,
         REQUEST(HTTP_GET, "/api/analytics/revenue", .list = "months")},
        {"analytics", "movements", NULL, run_request, API_READS,
         .example = "analytics movements --month 2026-10 --kind churn",
         .summary = "List the movements of MRR in a month, the newest first",
         .options = movement_options,
         REQUEST(HTTP_GET, "/api/analytics/movements", .list = "movements")},
        {"analytics", "summary", NULL, run_request, API_READS, .example = "analytics summary",
         .summary =
                 "Show MRR of the present month, and how many customers and trials there are",
         REQUEST(HTTP_GET, "/api/analytics/summary", .list = "currencies",
                 .columns = "currency start end committed customers_end arpu",
                 .values = "counts")},
        {"analytics", "trials", NULL, run_request, API_READS,
         .example = "analytics trials --from 2026-11-01",
         .summary = "Show by week of start which trials converted, expired or are open",
         .options = trial_options, REQUEST(HTTP_GET, "/api/analytics/trials", .list = "weeks")},
        {"analytics", "plans", NULL, run_request, API_READS, .example = "analytics plans",
         .summary = "Show MRR and customers by plan and currency",
         REQUEST(HTTP_GET, "/api/analytics/plans", .list = "plans")},
        {"analytics", "usage", NULL, run_request, API_READS,
         .example = "analytics usage --from 2026-11-14",
         .summary = "Show the use of all customers by days", .options = use_options,
         REQUEST(HTTP_GET, "/api/analytics/usage", .list = "days")},
        {"analytics", "limits", NULL, run_request, API_READS,
         .example = "analytics limits --above 90",
         .summary = "List the customers near or above their limits", .options = limit_options,
         REQUEST(HTTP_GET, "/api/analytics/limits", .list = "limits")},
        {"analytics", "renewals", NULL, run_request, API_READS,
         .example = "analytics renewals --days 30",
         .summary = "List the contracts and long subscriptions that end or renew next",
         .options = renewal_options,
         REQUEST(HTTP_GET, "/api/analytics/renewals", .list = "renewals")},
        {"analytics", "attention", NULL, run_request, API_READS,
         .example = "analytics attention",
         .summary = "List failed payments, ending contracts, and all that waits for a person",
         REQUEST(HTTP_GET, "/api/analytics/attention", .list = "items")},
        {"analytics", "check", NULL, run_analytics_check, CTL_DATABASE | CTL_RULES,
         .example = "analytics check",
         .summary = "Compute MRR anew, and compare it with what is booked and with Stripe",
         .details =
                 "Compares each customer's MRR with its subscription, the movements with each\n"
                 "other, the sums with the movements, and each subscription of Stripe's list\n"
                 "with what is booked for it. Prints a line for each difference, with its\n"
                 "reason if that is known. Changes nothing.\n",
         .options = check_options, .exits = analytics_check_exits},
        {.more = stripe_commands},
};
