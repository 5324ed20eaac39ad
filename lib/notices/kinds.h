/* kinds.h: the kinds of notices, and the placeholders of their templates. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The order is that of kinds.c. */
enum notice_kind {
	NOTICE_TRIAL_ENDING,
	NOTICE_PAYMENT_FAILED,
	NOTICE_LICENSE_EXPIRING,
	NOTICE_USAGE_THRESHOLD,
	NOTICE_SUBSCRIPTION_CANCELED,
	NOTICE_CONTRACT_ENDING,
	NOTICE_STRIPE_PARKED,
	NOTICE_UNKNOWN_PRICE,
	NOTICE_ENDPOINT_DISABLED,
	NOTICE_DIGEST,
	NOTICE_TEST,
	NOTICE_KINDS
};

/* Placeholders: {product}, {customer_name}, ... */
enum notice_field {
	/* of every template */
	NOTICE_PRODUCT,
	NOTICE_SUPPORT,
	NOTICE_ACCOUNT_LINK,
	/* of templates about one customer */
	NOTICE_CUSTOMER_NAME,
	NOTICE_CUSTOMER_EMAIL,
	NOTICE_CUSTOMER_ID,
	/* of some templates */
	NOTICE_PLAN,
	NOTICE_ENDS_ON,
	NOTICE_DAYS,
	NOTICE_AMOUNT,
	NOTICE_PAYMENT_LINK,
	NOTICE_LIMIT,
	NOTICE_PERCENT,
	NOTICE_USED,
	NOTICE_ALLOWED,
	NOTICE_REFERENCE,
	NOTICE_KIND,
	NOTICE_REASON,
	NOTICE_URL,
	/* of the digest */
	NOTICE_WEEK,
	NOTICE_NEW_COUNT,
	NOTICE_NEW,
	NOTICE_LOST_COUNT,
	NOTICE_LOST,
	NOTICE_AT_RISK_COUNT,
	NOTICE_AT_RISK,
	NOTICE_EXPIRING_COUNT,
	NOTICE_EXPIRING,
	NOTICE_OVER_LIMIT_COUNT,
	NOTICE_OVER_LIMIT,
	NOTICE_ATTENTION_COUNT,
	NOTICE_ATTENTION,
	NOTICE_FIELDS
};

struct notice_kind_row {
	const char *name;  /* of the template's file, without .txt */
	bool operators;    /* it goes to the operators, else to the customer */
	const char *event; /* the type of the events that it tells of; NULL: none */
	uint64_t fields;   /* bits of enum notice_field: the placeholders that it may have */
};

extern const struct notice_kind_row notice_kinds[NOTICE_KINDS];

/* The placeholder's name without braces, and a value to show. */
struct notice_field_row {
	const char *name;
	const char *sample;
	bool is_list; /* its value may have several lines */
};

extern const struct notice_field_row notice_fields[NOTICE_FIELDS];

/* NOTICE_KINDS when no kind has the name. */
enum notice_kind notice_kind_of(const char *name);

/* NOTICE_FIELDS when no placeholder has the name of so many bytes. */
enum notice_field notice_field_of(const char *name, size_t length);
