/* purchase.h: how many of a plan and of which add-ons a subscription buys, and requests to change
 * that. */
#pragma once

#include "operation/operation.h"
#include "json/view.h"

/* The most that a request may buy of a plan or an add-on, and the items that a subscription may have
 * (docs.stripe.com/billing/subscriptions/multiple-products). */
enum { QUANTITY_MAX = 100 * 1000, PURCHASE_ITEMS_MAX = 20 };

struct purchase {
	int64_t quantity;                /* of the plan; 1 of one that is bought once */
	int64_t addons[PLAN_ADDONS_MAX]; /* in the order of the table; 0: not bought */
};

/* A quantity that a request names, or does not. */
struct quantity_choice {
	bool named;
	int64_t quantity;
};

/* The parts of a purchase that a request changes; the rest stays. */
struct purchase_change {
	int64_t quantity; /* of the plan; 0: as it is */
	struct quantity_choice addons[PLAN_ADDONS_MAX];
};

/* Reads what is stored: the quantity, and the JSON text {add-on: quantity} (NULL: none). Add-ons that
 * neither PLANS_FILE nor an older file has are left out. */
void purchase_read(struct arena *arena, const struct plans *plans, int64_t quantity,
                   const char *addons, struct purchase *out);

/* The add-ons as JSON text {add-on: quantity}. */
const char *purchase_addons_text(struct arena *arena, const struct plans *plans,
                                 const struct purchase *purchase);

bool purchase_is_equal(const struct purchase *one, const struct purchase *other);

/* Whether one has more than the other of something. */
bool purchase_has_more(const struct purchase *one, const struct purchase *than);

/* The lesser quantity of each thing that is bought. */
struct purchase purchase_lesser(const struct purchase *one, const struct purchase *other);

/* The purchase after the change. */
struct purchase purchase_changed(const struct purchase *before,
                                 const struct purchase_change *change);

/* Reads a request's "addons", {add-on: quantity}. FAIL_INVALID names each bad member. */
enum fail purchase_change_read(struct task *task, const struct plans *plans,
                               const struct json_view *addons,
                               struct purchase_change *out) MUST_CHECK;

/* The named add-ons as JSON text {add-on: quantity}; NULL when none is named. And back. */
const char *purchase_change_text(struct arena *arena, const struct plans *plans,
                                 const struct purchase_change *change);
void purchase_change_parse(struct arena *arena, const struct plans *plans, const char *text,
                           struct purchase_change *out);

/* Adds a bad field for a quantity of a plan that is bought once. FAIL_INVALID, or FAIL_NONE. */
enum fail purchase_check_quantity(struct task *task, const struct plan *plan,
                                  const struct purchase_change *change) MUST_CHECK;
