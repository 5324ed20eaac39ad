/* plans.h: the plans that are sold and what each allows, read from plans.json. */
#pragma once

#include "base/failure.h"
#include "licensing/claims.h"

enum {
	PLANS_MAX = 32,
	PLAN_ID_MAX = 32,
	PLAN_ADDONS_SOLD_MAX = 32,
	PLAN_ADDONS_MAX = 2 * PLAN_ADDONS_SOLD_MAX, /* with those of older files */
	PLAN_PRICES_MAX = 16,
	PLAN_METRICS_MAX = 16,
	PLAN_METERS_MAX = 32,
	PLAN_NAMES_MAX = VALUES_MAX,
	PLAN_PER_MAX = 1000 * 1000 * 1000
};

/* How the value of a metric in a month is made of its reports. */
enum metric_kind {
	PLAN_METRIC_SUM,   /* each report adds to it: messages, calls */
	PLAN_METRIC_LEVEL, /* the newest report of each instance counts: megabytes stored */
};

struct plan_metric {
	const char *name;
	enum metric_kind kind;
};

/* Instances of all kinds count alike, for max_instances. */
#define PLAN_COUNTED_TOGETHER LICENSE_UNLIMITED

/* How much use a plan covers. Beyond the bounds only the activation of instances is refused.
 * Bounds may be LICENSE_UNLIMITED. */
struct plan_usage {
	int64_t max_instances;
	int64_t instance_overage;             /* how many more may be activated */
	int64_t non_production;               /* of other kinds, or PLAN_COUNTED_TOGETHER */
	int64_t metric_max[PLAN_METRICS_MAX]; /* of each metric of the table */
	const char *meters[PLAN_METRICS_MAX]; /* the name of Stripe's meter, or NULL */
};

/* The price of the use that one of Stripe's meters counts, the same in every plan. A meter may have
 * prices in several currencies. */
struct plan_meter {
	const char *name;
	const char *amount_minor; /* of one, a decimal: "0.05" */
	const char *currency;
};

/* A feature or limit that a plan or the trial has. It is of one kind and type in all of them. */
struct plan_name {
	const char *name;
	enum value_kind kind;
	enum value_type type;
	const char
	        *first; /* where it stands first, for messages: "starter.features.maxDevices" */
};

struct plan_price {
	int64_t amount_minor;
	const char *currency;   /* ISO 4217, lower case */
	const char *interval;   /* "month" or "year" */
	int64_t interval_count; /* it is billed every interval_count intervals */
};

/* A limit, or a feature that is an integer, that is bought in a quantity. */
struct plan_quantity {
	const char *name; /* NULL: a plan or add-on that is bought once */
	enum value_kind kind;
	int64_t per;        /* the limit of each one, which the plan's values have too */
	const char *metric; /* whose level is the use of the limit; NULL: none */
};

struct plan {
	const char *id; /* "starter", as stored and on the wire */
	const char *name;
	/* In the order of the plan's prices in STRIPE_PRICES, whose later ones are not listed here;
	 * none: on request. */
	struct plan_price prices[PLAN_PRICES_MAX];
	size_t price_count;
	struct plan_quantity quantity; /* its limit is the quantity times `per` */
	struct license_values
	        features; /* in the order of the file; one that is absent grants nothing */
	struct license_values
	        limits; /* of all plans; one that is absent in the file has no bound */
	struct plan_usage usage;
};

/* Bought in addition to a plan: a further item of its subscription. */
struct plan_addon {
	const char *id; /* as stored and on the wire; no plan has it */
	const char *name;
	struct plan_price prices[PLAN_PRICES_MAX]; /* likewise */
	size_t price_count;
	struct plan_quantity quantity;  /* it raises its limit by the quantity times `per` */
	struct license_values features; /* that it sets */
	struct license_values limits;   /* it raises each by so much, times the quantity */
};

struct sold_terms; /* plans_terms.h */

struct plans {
	int64_t version;    /* changes with the table; other licences are re-issued */
	const char *digest; /* of the file; see plans_digest.h */
	int64_t trial_days;
	const char *trial_plan; /* the stored plan of a trial */
	struct license_values trial_features;
	struct license_values trial_limits;
	struct plan_usage trial_usage;
	struct plan_metric metrics[PLAN_METRICS_MAX];
	size_t metric_count;
	struct plan_meter meters[PLAN_METERS_MAX]; /* those that have a price here */
	size_t meter_count;
	/* The terms in which plans were sold, the newest first; none until they are read. */
	const struct sold_terms *sold;
	size_t sold_count;
	bool keeps_sold; /* what a plan loses in the file, a customer loses with the next period */
	struct plan_name names[PLAN_NAMES_MAX];
	size_t name_count;
	struct plan items[PLANS_MAX];
	size_t count;
	struct plan_addon addons[PLAN_ADDONS_MAX];
	size_t addon_count;
	/* Add-ons of older files, behind those of the file: they are not sold, but count where they are
	 * bought. None until the stored terms are read. */
	size_t gone_count;
};

/* Reads the file. FAIL_INVALID "plans_invalid" with file, line and reason. `out` points into
 * the task's arena. */
enum fail plans_load(struct task *task, const char *path, struct plans *out) MUST_CHECK;

/* The plan, or NULL. */
const struct plan *plans_find(const struct plans *plans, const char *id);

/* The add-on, or NULL. */
const struct plan_addon *plans_find_addon(const struct plans *plans, const char *id);

/* The add-on, also one that only an older file has; NULL: no file had it. The number of all these. */
const struct plan_addon *plans_known_addon(const struct plans *plans, const char *id);
size_t plans_known_addons(const struct plans *plans);

/* Whether the plan is one that is bought in a quantity. */
bool plans_has_quantity(const struct plans *plans, const char *id);

/* Whether a plan may be billed by the interval: "month", "year". */
bool plan_is_interval(const char *text);

/* The price of the plan or add-on at the position, or NULL. A plan without prices here is billed by
 * the intervals of those that the first plan with a price at the position lists. */
const struct plan_price *plans_price(const struct plans *plans, const char *sold,
                                     size_t position);

/* The plan's place in the table, from the lowest to the highest; 0 for an unknown one. */
size_t plans_rank(const struct plans *plans, const char *id);

/* The feature or limit of that name, or NULL when no plan has it. */
const struct plan_name *plans_name(const struct plans *plans, const char *name);

/* The integer of that name among them; LICENSE_UNLIMITED when there is none. */
int64_t plans_integer(const struct license_values *features,
                      const struct license_values *limits, const char *name);

/* The metric's index in the table, or metric_count when there is none of that name. */
size_t plans_metric(const struct plans *plans, const char *name);

/* Whether the plan names Stripe's meter for any metric. */
bool plan_has_meter(const struct plans *plans, const struct plan *plan, const char *meter);

/* The price of the meter's use in the currency (NULL: the first one), or NULL. */
const struct plan_meter *plans_meter(const struct plans *plans, const char *name,
                                     const char *currency);
