/* commands.h: what several tables of commands share: options, details, needs. */
#pragma once

#include "billingctl/ctl.h"

/* clang-format off */
#define KEY_OUT \
	{"--key-out", "FILE", "write the key to this new file (mode 0600) instead of showing it"}
#define LIMIT {"--limit", "N", "how many, 1 to 1000 (default: 50)"}
#define DRY_RUN {"--dry-run", NULL, "only look, change nothing"}
#define ONE_CUSTOMER "CUSTOMER is an id, or an e-mail address in any case.\n"

/* Fields of commands that are a request to the API. */
#define REQUEST(verb, ...) .request = &(const struct ctl_request){.method = verb, .path = __VA_ARGS__}
#define PAGE_LIMIT {"--limit", "N", "how many, 1 to 100 (default: 50)"}
#define CURSOR {"--cursor", "CURSOR", "the page that follows: next_cursor of the one before"}
#define YES {"--yes", NULL, "do it; without this option the command only says what it would do"}
#define ONCE {"--idempotency-key", "KEY", \
	"a text of your choice; a repetition with the same text has no further effect"}
/* clang-format on */

enum {
	API_READS = CTL_DATABASE | CTL_RULES,
	API_SIGNS = CTL_DATABASE | CTL_KEYS, /* where the answer may have a licence */
};

#define API_CUSTOMER "/api/customers/:customer_id"
#define API_INSTANCE API_CUSTOMER "/instances/:instance_id"
#define API_USAGE "/api/usage/:customer_id"
#define API_LICENSE "/api/licenses/:customer_id"
#define API_SUBSCRIPTIONS "/api/subscriptions"
