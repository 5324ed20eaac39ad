/* kinds.c: the tables of notices and of the placeholders in their templates. */
#include "notices/kinds.h"

#include <string.h>

#define BIT(field) (UINT64_C(1) << (field))
#define COMMON (BIT(NOTICE_PRODUCT) | BIT(NOTICE_SUPPORT) | BIT(NOTICE_ACCOUNT_LINK))
#define CUSTOMER                                                                               \
	(COMMON | BIT(NOTICE_CUSTOMER_NAME) | BIT(NOTICE_CUSTOMER_EMAIL) |                     \
	 BIT(NOTICE_CUSTOMER_ID))
#define ENDS (BIT(NOTICE_ENDS_ON) | BIT(NOTICE_DAYS))
#define LIMITS                                                                                 \
	(BIT(NOTICE_LIMIT) | BIT(NOTICE_PERCENT) | BIT(NOTICE_USED) | BIT(NOTICE_ALLOWED))
#define COUNTED(field) (BIT(field##_COUNT) | BIT(field))
#define DIGEST                                                                                 \
	(COMMON | BIT(NOTICE_WEEK) | COUNTED(NOTICE_NEW) | COUNTED(NOTICE_LOST) |              \
	 COUNTED(NOTICE_AT_RISK) | COUNTED(NOTICE_EXPIRING) | COUNTED(NOTICE_OVER_LIMIT) |     \
	 COUNTED(NOTICE_ATTENTION))

/* clang-format off */
const struct notice_kind_row notice_kinds[NOTICE_KINDS] = {
	[NOTICE_TRIAL_ENDING] = {"trial_ending", false, "trial.ending",
		CUSTOMER | BIT(NOTICE_PLAN) | ENDS},
	[NOTICE_PAYMENT_FAILED] = {"payment_failed", false, "payment.failed",
		CUSTOMER | BIT(NOTICE_PLAN) | BIT(NOTICE_AMOUNT) | BIT(NOTICE_PAYMENT_LINK)},
	[NOTICE_LICENSE_EXPIRING] = {"license_expiring", false, "license.expiring",
		CUSTOMER | BIT(NOTICE_PLAN) | ENDS},
	[NOTICE_USAGE_THRESHOLD] = {"usage_threshold", false, "usage.threshold",
		CUSTOMER | BIT(NOTICE_PLAN) | LIMITS},
	[NOTICE_SUBSCRIPTION_CANCELED] = {"subscription_canceled", false, "subscription.canceled",
		CUSTOMER | BIT(NOTICE_PLAN) | BIT(NOTICE_ENDS_ON)},
	[NOTICE_CONTRACT_ENDING] = {"contract_ending", false, "contract.ending",
		CUSTOMER | BIT(NOTICE_PLAN) | ENDS | BIT(NOTICE_REFERENCE)},
	[NOTICE_STRIPE_PARKED] = {"operators_stripe_parked", true, "stripe.parked",
		CUSTOMER | BIT(NOTICE_KIND) | BIT(NOTICE_REFERENCE) | BIT(NOTICE_REASON)},
	[NOTICE_UNKNOWN_PRICE] = {"operators_unknown_price", true, "stripe.unknown_price",
		CUSTOMER | BIT(NOTICE_REFERENCE) | BIT(NOTICE_REASON)},
	[NOTICE_ENDPOINT_DISABLED] = {"operators_endpoint_disabled", true, "endpoint.disabled",
		COMMON | BIT(NOTICE_REFERENCE) | BIT(NOTICE_REASON) | BIT(NOTICE_URL)},
	[NOTICE_DIGEST] = {"operators_digest", true, NULL, DIGEST},
	[NOTICE_TEST] = {"test", true, NULL, COMMON},
};

const struct notice_field_row notice_fields[NOTICE_FIELDS] = {
	[NOTICE_PRODUCT] = {"product", "Example", false},
	[NOTICE_SUPPORT] = {"support", "support@example.com", false},
	[NOTICE_ACCOUNT_LINK] = {"account_link", "https://billing.example.com/account/", false},
	[NOTICE_CUSTOMER_NAME] = {"customer_name", "Acme GmbH", false},
	[NOTICE_CUSTOMER_EMAIL] = {"customer_email", "office@acme.example", false},
	[NOTICE_CUSTOMER_ID] = {"customer_id", "cust_0123456789abcdef0123456789abcdef", false},
	[NOTICE_PLAN] = {"plan", "professional", false},
	[NOTICE_ENDS_ON] = {"ends_on", "2030-01-31", false},
	[NOTICE_DAYS] = {"days", "7", false},
	[NOTICE_AMOUNT] = {"amount", "$29.00", false},
	[NOTICE_PAYMENT_LINK] = {"payment_link", "https://invoice.stripe.com/i/example", false},
	[NOTICE_LIMIT] = {"limit", "maxDevices", false},
	[NOTICE_PERCENT] = {"percent", "80", false},
	[NOTICE_USED] = {"used", "8", false},
	[NOTICE_ALLOWED] = {"allowed", "10", false},
	[NOTICE_REFERENCE] = {"reference", "CONTRACT-7", false},
	[NOTICE_KIND] = {"kind", "event", false},
	[NOTICE_REASON] = {"reason", "stripe_error", false},
	[NOTICE_URL] = {"url", "https://hooks.example.com/billing", false},
	[NOTICE_WEEK] = {"week", "2030-W05", false},
	[NOTICE_NEW_COUNT] = {"new_count", "1", false},
	[NOTICE_NEW] = {"new", "  Acme GmbH, professional", true},
	[NOTICE_LOST_COUNT] = {"lost_count", "0", false},
	[NOTICE_LOST] = {"lost", "", true},
	[NOTICE_AT_RISK_COUNT] = {"at_risk_count", "1", false},
	[NOTICE_AT_RISK] = {"at_risk", "  Umbrella Ltd, starter, past_due", true},
	[NOTICE_EXPIRING_COUNT] = {"expiring_count", "1", false},
	[NOTICE_EXPIRING] = {"expiring", "  Initech, enterprise, 2030-02-14", true},
	[NOTICE_OVER_LIMIT_COUNT] = {"over_limit_count", "0", false},
	[NOTICE_OVER_LIMIT] = {"over_limit", "", true},
	[NOTICE_ATTENTION_COUNT] = {"attention_count", "1", false},
	[NOTICE_ATTENTION] = {"attention", "  parked events of Stripe: 1", true},
};
/* clang-format on */

enum notice_kind
notice_kind_of(const char *name)
{
	enum notice_kind kind = 0;

	while (kind < NOTICE_KINDS && strcmp(notice_kinds[kind].name, name) != 0)
		kind++;
	return kind;
}

enum notice_field
notice_field_of(const char *name, size_t length)
{
	enum notice_field field = 0;

	while (field < NOTICE_FIELDS && (strlen(notice_fields[field].name) != length ||
	                                 memcmp(notice_fields[field].name, name, length) != 0))
		field++;
	return field;
}
