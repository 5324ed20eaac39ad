/* commands.c: the first and the last table of billingctl's commands, with the text of their --help. */
#include "billingctl-commands/commands.h"

static const struct ctl_option operator_create_options[] = {
        {"--role", "owner|viewer",
         "owner may do everything, viewer may only read (default: viewer)"},
        KEY_OUT,
        {0},
};

static const struct ctl_option session_options[] = {
        {"--customer", "ID", "those of this customer (default: those of all operators)"},
        {0},
};

static const struct ctl_option session_clear_options[] = {
        {"--customer", "ID", "those of this customer (default: those of all operators)"},
        YES,
        {0},
};

static const struct ctl_option key_now_options[] = {
        {"--now", NULL, "without the waiting time: verifiers may not know the key yet"},
        {0},
};

static const struct ctl_option key_distrust_options[] = {
        {"--why", "TEXT", "the reason, for the audit trail"},
        {0},
};

static const struct ctl_option restore_check_options[] = {
        {"--done", NULL, "record that the lost changes were made again"},
        {0},
};

static const struct ctl_option audit_list_options[] = {
        {"--customer", "ID", "only entries about this customer"},
        {"--actor", "ACTOR", "only those of this actor, as operator:key_..., system:jobs"},
        {"--action", "ACTION", "only those of this action"},
        PAGE_LIMIT,
        CURSOR,
        {0},
};

static const struct ctl_option events_options[] = {
        {"--customer", "ID", "only events of this customer"},
        {"--type", "TYPE", "only those of this type, as trial.expired"},
        {"--follow", NULL,
         "print events as they come, one a line, from now on or from --cursor"},
        {"--limit", "N",
         "how many, 1 to 100 (default: 50); with --follow it ends after so many"},
        {"--cursor", "CURSOR", "what comes behind: next_cursor or cursor of an earlier list"},
        {0},
};

static const struct ctl_option audit_verify_options[] = {
        {"--heads", "FILE", "the signed heads of another host (default: AUDIT_HEADS_FILE)"},
        {"--keys", "FILE", "public keys (PEM) that sign heads; default: the database's"},
        {0},
};

const struct command ctl_commands[] = {
        {"migrate", "status", NULL, run_migrate_status, CTL_OWNER, .example = "migrate status",
         .summary = "Show which migrations are applied and which are pending",
         .details = "Reads MIGRATIONS_DIR and the database; changes nothing.\n"},
        {"migrate", "up", NULL, run_migrate_up, CTL_OWNER, .example = "migrate up",
         .summary = "Apply the pending migrations",
         .details = "Each runs in its own transaction and under a lock: the command may be\n"
                    "killed at any time and run several times at once. There is no way down;\n"
                    "make a backup first. With DATABASE_OWNER_URL it also lets the role of\n"
                    "DATABASE_URL do what the service needs, and makes that role if it is "
                    "missing.\n"},
        {"keys", "generate", NULL, run_keys_generate, CTL_SETTINGS, .example = "keys generate",
         .summary = "Make the first signing key",
         .details = "Writes private-key.pem (PKCS#8, mode 0600) and public-key.pem to "
                    "KEYS_DIR, and\n"
                    "webhook-key.pem, which signs webhooks and seals the secrets of their "
                    "endpoints.\n"
                    "Never overwrites a key.\n"},
        {"keys", "add", NULL, run_keys_add, CTL_DATABASE | CTL_CHANGES | CTL_RULES,
         .example = "keys add",
         .summary = "Make the next signing key, which is published and does not sign yet",
         .details =
                 "Writes next-private-key.pem to KEYS_DIR and tells every host the public key "
                 "by\n"
                 "the database. Copy the file to the other hosts. The key can be used after\n"
                 "KEY_WAIT_HOURS, when every verifier has fetched it.\n"},
        {"keys", "use", "KID", run_keys_use, CTL_DATABASE | CTL_CHANGES | CTL_RULES,
         .example = "keys use JYZMQqvBdQLL6JKYgRt_jroCJ9XwEqKTPIg1IgRqC70",
         .summary = "Sign with the added key from now on",
         .details =
                 "The previous key no longer signs. It stays published until its last licence\n"
                 "has expired. Every host follows within seconds, and each customer gets a "
                 "new\n"
                 "licence at the next request. Fails while billingd does not publish the key. "
                 "Run\n"
                 "the command on every host: it renames next-private-key.pem to\n"
                 "private-key.pem there.\n",
         .options = key_now_options},
        {"keys", "retire", "KID", run_keys_retire, CTL_DATABASE | CTL_CHANGES | CTL_RULES,
         .example = "keys retire 5zIZ1vCnqbrJgPvRr9V0x_2y2kY3lB0OqkVZ6yqU1nE",
         .summary = "Withdraw an added key that is not wanted",
         .details = "The current key retires by itself when another one is used.\n"
                    "On any host it removes the files in KEYS_DIR of keys that are no longer "
                    "published.\n"},
        {"keys", "distrust", "KID", run_keys_distrust, CTL_DATABASE | CTL_CHANGES | CTL_RULES,
         .example = "keys distrust SOp6BIJP2kVaGvg2jy5RKZME5MbtVrXr_KoXb-C7Rr0 --why \"stolen "
                    "backup\"",
         .summary = "End the trust in a key that may be stolen",
         .details = "It is no longer published, its licences are revoked, and every customer "
                    "gets a\n"
                    "new one at the next request. If it is the current key, the added one or a "
                    "new\n"
                    "one signs at once, the revocation list too.\n",
         .options = key_distrust_options},
        {"keys", "rotate", NULL, run_keys_rotate, CTL_DATABASE | CTL_CHANGES | CTL_RULES,
         .example = "keys rotate",
         .summary = "Take the next step of a change of the signing key: add or use",
         .details = "Run it, do what it says, and run it again after KEY_WAIT_HOURS.\n",
         .options = key_now_options},
        {"keys", "list", NULL, run_keys_list, CTL_SETTINGS, .example = "keys list",
         .summary = "List the keys with their states, the current one first",
         .details = "Shows the keys in the database; before billingd has run, those in "
                    "KEYS_DIR.\n"},
        {"operator", "create", "NAME", run_operator_create, CTL_DATABASE | CTL_CHANGES,
         .example = "operator create me --role owner",
         .summary = "Create an operator and its key, which is shown once",
         .options = operator_create_options},
        {"operator", "list", NULL, run_operator_list, CTL_DATABASE, .example = "operator list",
         .summary = "List the operators"},
        {"operator", "revoke", "KEY_ID|NAME", run_operator_revoke, CTL_DATABASE | CTL_CHANGES,
         .example = "operator revoke ci", .summary = "Revoke an operator's key for ever"},
        {"console", "link", "[NAME]", run_console_link, CTL_DATABASE | CTL_CHANGES | CTL_RULES,
         .example = "console link me",
         .summary = "Make a link that opens the console once, within 10 minutes",
         .details = "NAME is an operator with a live key, and may be left out where there is "
                    "one owner.\nWhoever has the link is that operator for 12 hours; it is "
                    "shown only now.\n"},
        {"session", "list", NULL, run_request, API_READS, .example = "session list",
         .summary = "List the sessions of browsers, used last first",
         .options = session_options,
         REQUEST(HTTP_GET, "/api/sessions", .list = "sessions",
                 .columns = "session_id key_id name role created_at last_used_at expires_at "
                            "user_agent")},
        {"session", "end", "SESSION_ID", run_request, API_READS,
         .example = "session end ses_8c1f0a2b3d4e5f60718293a4",
         .summary = "End one session at once", .options = session_options,
         REQUEST(HTTP_DELETE, "/api/sessions/:session_id", .first = "session_id")},
        {"session", "clear", NULL, run_request, API_READS, .example = "session clear --yes",
         .summary = "End all sessions of operators, or of a customer",
         .options = session_clear_options,
         REQUEST(HTTP_DELETE, "/api/sessions",
                 .danger = "all these browsers have to sign in again")},
        {.more = customer_commands},
};

const struct command upkeep_commands[] = {
        {"audit", "list", NULL, run_request, API_READS,
         .example = "audit list --action license_revoke --limit 3",
         .summary = "List the entries of the audit trail, newest first",
         .details = "Each change, with its actor, request, and what was before and after.\n",
         .options = audit_list_options,
         REQUEST(HTTP_GET, "/api/audit", .list = "entries",
                 .columns = "id happened_at actor action customer_id subject detail before "
                            "after")},
        {"audit", "verify", NULL, run_audit_verify, CTL_DATABASE, .example = "audit verify",
         .summary = "Find entries of the audit trail that were changed, removed or inserted",
         .details =
                 "Reads the whole trail. Each entry has a link in a chain of digests; once a "
                 "day billingd\nsigns the chain's end and appends it to AUDIT_HEADS_FILE. "
                 "Keep a copy of this file on\nanother machine. What came after the last "
                 "head, and was removed together with its\nlink, leaves no trace. A chain of "
                 "more than two days without a signed head is a\nfault. Heads of a distrusted "
                 "key count up to its distrust: compare them with an\nearlier copy. After the "
                 "database was restored from a backup, heads that were signed\nsince the "
                 "backup differ.\n",
         .options = audit_verify_options, .exits = audit_verify_exits},
        {"events", NULL, NULL, run_events, API_READS,
         .example = "events --type trial.expired --limit 1\nevents --follow",
         .summary = "List the log of events, oldest first, or follow it",
         .details =
                 "A reader that goes on from its cursor misses no event. An event waits while "
                 "an older\ntransaction is open in the cluster; doctor names it. With --type "
                 "and --customer a list\ncan be short, or empty, and have a next_cursor, from "
                 "which it goes on.\n",
         .options = events_options,
         REQUEST(HTTP_GET, "/api/events", .list = "events",
                 .columns = "id created_at type customer_id sequence",
                 .values = "next_cursor cursor")},
        {"event", "show", "EVENT_ID", run_request, API_READS,
         .example = "event show evt_5f0d9a526f6c4f1c9c391f3c6b7d8e90",
         .summary = "Show one event",
         REQUEST(HTTP_GET, "/api/events/:event_id", .first = "event_id", .values = "event")},
        {"restore", "check", NULL, run_restore_check, CTL_DATABASE | CTL_CHANGES,
         .example = "restore check",
         .summary = "List what a restored database has lost since its backup",
         .details =
                 "billingd notices when the database is behind the revocation list that it\n"
                 "published, and revokes again what that list revokes. This lists those\n"
                 "licences and customers. Cancel, revoke and delete again what was lost; then\n"
                 "run it with --done, which ends the warning of doctor and /health/ready.\n",
         .options = restore_check_options, .exits = restore_check_exits},
        {"doctor", NULL, NULL, run_doctor, CTL_NOTHING, .example = "doctor",
         .summary = "Check the installation and name a cure for each fault",
         .details =
                 "Changes nothing. Exit status 1 if something is wrong. A warning may describe "
                 "an\n"
                 "intended state; it does not change the exit status.\n"},
        {"completion", NULL, "bash|zsh", run_completion, CTL_NOTHING,
         .example = "completion bash",
         .summary = "Print a script that completes these commands in a shell",
         .details =
                 "For bash: source <(billingctl completion bash), in ~/.bashrc for example.\n"
                 "For zsh: write it to a file _billingctl in a folder of fpath.\n"},
        {0},
};
