/* terms.h: the terms of a contract, and the input by which an operator sets them. */
#pragma once

#include "plans/plans.h"
#include "json/fields.h"
#include "json/out.h"

/* Terms of one version. Texts of objects are JSON; times are those of the contract. */
struct contract_terms {
	const char *plan;
	struct instant starts_at;
	struct instant ends_at;
	int64_t amount_minor; /* of a price, in minor units; each interval costs so much */
	const char *currency; /* lower case; NULL: the price is not told */
	const char *interval; /* "month" or "year" */
	int64_t interval_count;
	const char *features; /* values in place of the plan's */
	const char *limits;
	const char *overage;    /* {"maxDevices": 1.1}: how far use may exceed a limit */
	int64_t days_until_due; /* of an invoice; 0: none is sent */
	const char *reference;  /* of the vendor's, such as the number of an offer */
	const char *note;       /* for operators alone */
};

/* As a caller gives them; absent members leave the terms as they are. */
struct contract_input {
	const char *plan;
	struct instant starts_at;
	struct instant ends_at;
	const char *billing; /* of a new contract */
	struct any_object price;
	struct any_object features;
	struct any_object limits;
	struct any_object overage;
	int64_t days_until_due;
	struct patch_text reference;
	struct patch_text note;
	int64_t version; /* of an amendment: the version that the caller has seen */
	bool dry_run;
};

/* Applies the input to the terms. FAIL_INVALID names every bad field: unknown plans, names that
 * plans.json lacks, values of another type than there, and prices without a currency. */
enum fail contract_terms_apply(struct task *task, const struct plans *plans,
                               const struct contract_input *input,
                               struct contract_terms *terms) MUST_CHECK;

/* Checks terms as a whole: the order of the times, and what the billing needs ("manual" or
 * "stripe_invoice"). A start that is as `before` (NULL: a new contract) may be long ago. FAIL_INVALID
 * names every bad field. */
enum fail contract_terms_check(struct task *task, const char *billing,
                               const struct contract_terms *before,
                               const struct contract_terms *terms, int64_t now_ms) MUST_CHECK;

/* Writes the terms as members of the open object. */
void contract_terms_write(struct json_out *json, const struct contract_terms *terms);

/* Whether the prices are for one interval. */
bool contract_terms_recur_alike(const struct contract_terms *a, const struct contract_terms *b);

/* Whether Stripe bills one as the other: the same price, times and days until an invoice is due. */
bool contract_terms_bill_alike(const struct contract_terms *a, const struct contract_terms *b);

/* Whether all is as in the other, also what Stripe need not know. */
bool contract_terms_alike(const struct contract_terms *a, const struct contract_terms *b);
