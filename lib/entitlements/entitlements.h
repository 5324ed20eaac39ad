/*
 * entitlements.h: what a customer may use, and why.
 *
 * One pure function of the subscription, plans.json, the stored terms and the clock puts the layers on
 * top of each other: the plan with its quantity, then add-ons, the contract, the overrides of an
 * operator. Licences, limits and answers all use it. An end by date needs no job.
 */
#pragma once

#include "billing/subscriptions.h"
#include "licensing/values.h"

/* The layer that a value comes from; a later one wins. */
enum entitlement_source {
	ENTITLEMENT_PLAN,
	ENTITLEMENT_ADDON,
	ENTITLEMENT_CONTRACT,
	ENTITLEMENT_OVERRIDE
};

/* The stored terms beside a subscription that change what it gives. Texts are JSON objects, NULL where
 * there are no such terms. Statements fill the first two, entitlement_terms_unpack() the others. */
struct entitlement_terms {
	const char *contract;  /* subscriptions.contract_terms: the newest version's */
	const char *overrides; /* customers.override_terms */
	const char *contract_features;
	const char *contract_limits;
	const char *contract_overage; /* for licences alone, like the reference */
	const char *contract_reference;
	const char *override_features;
	const char *override_limits;
	struct instant override_ends_at; /* unknown: the overrides do not end */
};

struct entitlement {
	struct license_value value;
	enum entitlement_source source;
	struct instant until; /* this value ends then, as far as is known */
};

struct entitlement_list {
	struct entitlement *items;
	size_t count;
};

struct entitlements {
	bool access;
	struct instant until; /* access ends then, as far as is known */
	struct entitlement_list features;
	struct entitlement_list limits;
};

/* The values of a licence. */
struct entitlement_values {
	struct license_values features;
	struct license_values limits;
};

/* Takes the columns apart, after each row that has them. */
void entitlement_terms_unpack(struct arena *arena, struct entitlement_terms *terms);

/* Computes all of it. Without a subscription its plan is NULL: then, and in a trial, the first layer is
 * the trial's; else it is as plans_terms() gives it. Stored names that
 * plans.json does not have any more, or has with another type, do not count. */
void entitlements_compute(struct arena *arena, const struct billing *billing,
                          const struct subscription *subscription,
                          const struct entitlement_terms *terms, int64_t now_ms,
                          struct entitlements *out);

/* The values alone, for a licence that is issued now. */
void entitlements_values(struct arena *arena, const struct billing *billing,
                         const struct subscription *subscription,
                         const struct entitlement_terms *terms, int64_t now_ms,
                         struct entitlement_values *out);

/* When overrides end that grant more than the layers below them: a licence must not last longer.
 * Unknown when no date takes a value away. */
struct instant entitlements_reduced_at(struct arena *arena, const struct billing *billing,
                                       const struct subscription *subscription,
                                       const struct entitlement_terms *terms, int64_t now_ms);

/* Whether the first grant more than the second in any feature or limit. */
bool entitlements_are_more(const struct entitlement_values *values,
                           const struct entitlement_values *than);

/* "plan", "addon", "contract", "override". */
const char *entitlement_source_name(enum entitlement_source source);

/* The name in the table of plans.json, or NULL when that has no feature or limit of this name. */
const struct plan_name *entitlement_name(const struct plans *plans, enum value_kind kind,
                                         const char *name);

/* The given values as a JSON text, in their order. Names that plans.json lacks and values of another
 * type than there become bad fields "features.<name>" or "limits.<name>" of the task. */
const char *entitlement_values_read(struct task *task, const struct plans *plans,
                                    enum value_kind kind, const struct json_view *object);
