/* webhooks.c: the commands about webhook endpoints, with the text of their --help. */
#include "billingctl-commands/commands.h"

#define API_ENDPOINTS "/api/webhook-endpoints"
#define API_ENDPOINT API_ENDPOINTS "/:endpoint_id"
#define EXAMPLE_ID "we_5f1e2d3c4b5a69788796a5b4"

/* clang-format off */
#define TYPES {"--types", "TYPE,...", "the types of events that it gets, such as payment.failed; * for all"}
#define DESCRIPTION {"--description", "TEXT", "for people"}
/* clang-format on */

static const struct ctl_option add_options[] = {
        TYPES,
        DESCRIPTION,
        ONCE,
        {0},
};

static const struct ctl_option change_options[] = {
        {"--url", "URL", "another URL"},
        TYPES,
        DESCRIPTION,
        {"--enabled", "true|false",
         "whether it gets events; switched on, it gets what it has missed"},
        {0},
};

static const struct ctl_option once_options[] = {
        ONCE,
        {0},
};

static const struct ctl_option replay_options[] = {
        {"--event-id", "ID", "send this one event; not together with --from and --to"},
        {"--from", "TIME", "events since then, as 2026-11-29T00:00:00Z"},
        {"--to", "TIME", "and before then"},
        {"--cursor", "CURSOR", "goes on in the range: next_cursor of the call before"},
        ONCE,
        {0},
};

static const struct ctl_option deliveries_options[] = {
        {"--state", "STATE", "only those that are pending, delivered or failed"},
        PAGE_LIMIT,
        CURSOR,
        {0},
};

static const struct ctl_option remove_options[] = {
        YES,
        {0},
};

const struct command webhook_commands[] = {
        {"webhooks", "list", NULL, run_request, API_READS, .example = "webhooks list",
         .summary = "List the endpoints that events are sent to",
         REQUEST(HTTP_GET, API_ENDPOINTS, .list = "endpoints",
                 .columns =
                         "endpoint_id url types enabled disabled_reason failing_since pending "
                         "last_success_at")},
        {"webhooks", "add", "URL", run_request, API_READS,
         .example = "webhooks add https://crm.example.com/hooks/billing --types "
                    "customer.created,payment.failed",
         .summary = "Have events sent to a URL from now on",
         .details =
                 "Prints the secret that the receiver verifies signatures v1 with (Standard\n"
                 "Webhooks); it is not shown again. Signatures v1a are verified with the key\n"
                 "at /.well-known/webhook-key. Only https and public addresses, unless\n"
                 "WEBHOOK_ALLOW lists the network.\n",
         .options = add_options,
         REQUEST(HTTP_POST, API_ENDPOINTS, .first = "url",
                 .values = "endpoint.endpoint_id secret public_key")},
        {"webhooks", "show", "ENDPOINT", run_request, API_READS,
         .example = "webhooks show " EXAMPLE_ID, .summary = "Show an endpoint",
         REQUEST(HTTP_GET, API_ENDPOINT, .first = "endpoint_id", .values = "endpoint")},
        {"webhooks", "change", "ENDPOINT", run_request, API_READS,
         .example = "webhooks change " EXAMPLE_ID " --enabled true",
         .summary = "Change an endpoint, or switch it on again or off",
         .details = "An endpoint that answers 410, or fails for five days, is switched off.\n",
         .options = change_options,
         REQUEST(HTTP_PATCH, API_ENDPOINT, .first = "endpoint_id", .values = "endpoint")},
        {"webhooks", "enable", "ENDPOINT", run_webhooks_enable,
         CTL_DATABASE | CTL_CHANGES | CTL_RULES, .example = "webhooks enable " EXAMPLE_ID,
         .summary = "Switch an endpoint on again",
         .details = "It gets what it has missed, as far as the log of events reaches.\n"},
        {"webhooks", "rotate", "ENDPOINT", run_request, API_READS,
         .example = "webhooks rotate " EXAMPLE_ID,
         .summary = "Give an endpoint a new secret, which is shown once",
         .details = "For 24 hours the one before signs too.\n", .options = once_options,
         REQUEST(HTTP_POST, API_ENDPOINT "/rotate", .first = "endpoint_id",
                 .values = "endpoint.endpoint_id secret public_key")},
        {"webhooks", "test", "ENDPOINT", run_request, API_READS,
         .example = "webhooks test " EXAMPLE_ID, .summary = "Send a test to an endpoint",
         .details = "billingd sends it within a second, once; webhooks deliveries shows the\n"
                    "answer.\n",
         .options = once_options,
         REQUEST(HTTP_POST, API_ENDPOINT "/test", .first = "endpoint_id",
                 .values = "delivery")},
        {"webhooks", "replay", "ENDPOINT", run_request, API_READS,
         .example = "webhooks replay " EXAMPLE_ID
                    " --event-id evt_5f1e2d3c4b5a69788796a5b4c3d2e1f0\n"
                    "webhooks replay " EXAMPLE_ID
                    " --from 2026-11-28T00:00:00Z --to 2026-11-29T00:00:00Z",
         .summary = "Send events to an endpoint again, under their ids",
         .details = "Of a range of time 1000 at most, the oldest first.\n",
         .options = replay_options,
         REQUEST(HTTP_POST, API_ENDPOINT "/replay", .first = "endpoint_id")},
        {"webhooks", "deliveries", "ENDPOINT", run_request, API_READS,
         .example = "webhooks deliveries " EXAMPLE_ID " --state failed",
         .summary = "List what an endpoint was sent, newest first, with the last answers",
         .options = deliveries_options,
         REQUEST(HTTP_GET, API_ENDPOINT "/deliveries", .first = "endpoint_id",
                 .list = "deliveries",
                 .columns = "event_id type state attempts attempted_at status took_ms reason "
                            "due_at")},
        {"webhooks", "remove", "ENDPOINT", run_request, API_READS,
         .example = "webhooks remove " EXAMPLE_ID " --yes", .summary = "Remove an endpoint",
         .options = remove_options,
         REQUEST(HTTP_DELETE, API_ENDPOINT, .first = "endpoint_id",
                 .danger = "the endpoint gets no events any more")},
        {"webhooks", "key", NULL, run_webhooks_key, CTL_DATABASE | CTL_CHANGES | CTL_RULES,
         .example = "webhooks key",
         .summary = "Make the key that signs webhooks, or replace it",
         .details =
                 "Writes webhook-key.pem to KEYS_DIR; the one before becomes\n"
                 "webhook-key-old.pem and signs too for 24 hours. Receivers of signatures v1a\n"
                 "must know the new key by then (/.well-known/webhook-key). Copy both files\n"
                 "to the other hosts: until then only this one sends webhooks.\n"},
        {.more = upkeep_commands},
};
