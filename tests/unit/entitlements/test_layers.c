/*
 * test_layers.c: random plans, quantities, add-ons, contracts and overrides give what a short reference
 * says, at each boundary of time.
 */
#include "support/suite.h"

#include "billing/access.h"
#include "entitlements/entitlements.h"

enum { KINDS = 2, NAMES = 6, ADDONS = 2, ROUNDS = 3000, MANY_ROUNDS = 30000 };

#define NOW ((int64_t)1739577600123)

/* A value that a layer may have. */
struct some {
	bool there;
	struct license_value value;
};

/* One layer: features, then limits. */
struct layer {
	struct some values[KINDS][NAMES];
};

/* All that one round is about. */
struct model {
	struct layer trial, plan, addons[ADDONS], contract, overrides;
	int64_t bought[ADDONS];
	struct plans plans;
	struct billing billing;
	struct subscription subscription;
	struct entitlement_terms terms;
};

static struct task task;
static uint64_t state;
static char names[KINDS][NAMES][24];

static void
setup(void)
{
	task = suite_task();
	for (int kind = 0; kind < KINDS; kind++)
		for (int i = 0; i < NAMES; i++)
			(void)snprintf(names[kind][i], sizeof(names[kind][i]), "%s%d",
			               kind == VALUE_LIMIT ? "limit" : "feature", i);
}

static void
teardown(void)
{
	suite_task_end(&task);
}

/* A number below `below`. */
static int64_t
draw(int64_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (int64_t)(state % (uint64_t)below);
}

static enum value_type
type_of(int kind, int i)
{
	return kind == VALUE_LIMIT ? VALUE_INTEGER : (enum value_type)(i % 3);
}

static struct license_value
draw_value(int kind, int i)
{
	static const char *const texts[] = {"eu", "us", "a \"quoted\" \\ text"};

	return (struct license_value){
	        .name = names[kind][i],
	        .type = type_of(kind, i),
	        .truth = type_of(kind, i) == VALUE_BOOLEAN && draw(2) == 1,
	        .number = type_of(kind, i) != VALUE_INTEGER     ? 0
	                  : kind == VALUE_LIMIT && draw(4) == 0 ? LICENSE_UNLIMITED
	                                                        : draw(5),
	        .text = type_of(kind, i) == VALUE_TEXT ? texts[draw(3)] : NULL,
	};
}

static struct layer
draw_layer(int64_t one_in)
{
	struct layer layer = {0};

	for (int kind = 0; kind < KINDS; kind++)
		for (int i = 0; i < NAMES; i++)
			if (draw(one_in) == 0)
				layer.values[kind][i] =
				        (struct some){true, draw_value(kind, i)};
	return layer;
}

static struct license_values
values_of(const struct layer *layer, int kind)
{
	struct license_value *items = arena_array(task.arena, NAMES, sizeof(*items));
	size_t count = 0;

	for (int i = 0; i < NAMES; i++)
		if (layer->values[kind][i].there)
			items[count++] = layer->values[kind][i].value;
	return (struct license_values){items, count};
}

/* The layer as it is stored. Names and types that plans.json does not have, or no more, are in it. */
static const char *
stored(const struct layer *layer, int kind)
{
	struct json_out json = json_out_new(task.arena, 256);

	json_out_open(&json, NULL, '{');
	json_out_int(&json, "unknown", 7);
	if (kind == VALUE_FEATURE && !layer->values[kind][0].there)
		json_out_string(&json, names[kind][0], "of another type");
	for (int i = 0; i < NAMES; i++)
		if (layer->values[kind][i].there)
			value_write(&json, names[kind][i], &layer->values[kind][i].value);
	json_out_close(&json, '}');
	return json.text.data;
}

static struct instant
draw_time(void)
{
	static const int64_t steps[] = {-DAY_MS, -1000, -1, 0, 1, 1000, DAY_MS};

	return draw(4) == 0 ? INSTANT_NONE : INSTANT_MS(NOW + steps[draw(7)]);
}

static struct subscription
draw_subscription(void)
{
	static const char *const statuses[] = {"trialing", "active", "past_due", "canceled"};

	if (draw(10) == 0)
		return (struct subscription){.plan = NULL};
	return (struct subscription){
	        .quantity = draw(4),
	        .plan = draw(10) == 0 ? "gone" : "sold",
	        .status = statuses[draw(4)],
	        .trial_ends_at = draw_time(),
	        .past_due_since = draw_time(),
	        .cancel_at = draw_time(),
	        .price_ends_access_at = draw_time(),
	};
}

/* A number that is bought in a quantity, of any name; or none. */
static struct plan_quantity
draw_quantity(void)
{
	int kind = (int)draw(KINDS), i = (int)draw(NAMES);

	if (type_of(kind, i) != VALUE_INTEGER || draw(2) == 0)
		return (struct plan_quantity){.name = NULL};
	return (struct plan_quantity){
	        .name = names[kind][i], .kind = (enum value_kind)kind, .per = 1 + draw(3)};
}

/* Add-ons of the file, and how many of each are bought. */
static void
draw_addons(struct model *model)
{
	static const char *const ids[ADDONS] = {"first", "second"};
	struct json_out json = json_out_new(task.arena, 64);

	json_out_open(&json, NULL, '{');
	json_out_int(&json, "gone", 3);
	for (int i = 0; i < ADDONS; i++) {
		model->addons[i] = draw_layer(4);
		model->bought[i] = draw(3);
		if (model->bought[i] > 0)
			json_out_int(&json, ids[i], model->bought[i]);
		model->plans.addons[i] = (struct plan_addon){
		        .id = ids[i],
		        .quantity = draw_quantity(),
		        .features = values_of(&model->addons[i], VALUE_FEATURE),
		        .limits = values_of(&model->addons[i], VALUE_LIMIT)};
	}
	json_out_close(&json, '}');
	model->plans.addon_count = ADDONS;
	model->subscription.addons = json.text.data;
}

static void
draw_model(struct model *model)
{
	*model = (struct model){.trial = draw_layer(2),
	                        .plan = draw_layer(2),
	                        .contract = draw_layer(4),
	                        .overrides = draw_layer(4),
	                        .subscription = draw_subscription()};
	for (int kind = 0; kind < KINDS; kind++)
		for (int i = 0; i < NAMES; i++)
			model->plans.names[model->plans.name_count++] = (struct plan_name){
			        names[kind][i], (enum value_kind)kind, type_of(kind, i), ""};
	model->plans.trial_features = values_of(&model->trial, VALUE_FEATURE);
	model->plans.trial_limits = values_of(&model->trial, VALUE_LIMIT);
	model->plans.items[0] =
	        (struct plan){.id = "sold",
	                      .quantity = draw_quantity(),
	                      .features = values_of(&model->plan, VALUE_FEATURE),
	                      .limits = values_of(&model->plan, VALUE_LIMIT)};
	model->plans.count = 1;
	draw_addons(model);
	model->billing =
	        (struct billing){.plans = model->plans, .policy.past_due_grace_days = 1};
	if (draw(2) == 0) {
		model->subscription.contract_id = "con";
		model->terms.contract_features = stored(&model->contract, VALUE_FEATURE);
		model->terms.contract_limits = stored(&model->contract, VALUE_LIMIT);
	}
	if (draw(4) == 0)
		return;
	model->terms.override_features = stored(&model->overrides, VALUE_FEATURE);
	model->terms.override_limits = stored(&model->overrides, VALUE_LIMIT);
	model->terms.override_ends_at = draw_time();
}

/* A result for one name. */
struct expected {
	struct some value;
	enum entitlement_source source;
};

/* Raises what is expected by so much, LICENSE_UNLIMITED: without a bound. */
static void
expect_more(struct expected *out, int kind, int i, int64_t by)
{
	bool missing = kind == VALUE_LIMIT && !out->value.there;

	if (by == 0 || missing || (out->value.there && out->value.value.number < 0))
		return;
	if (!out->value.there)
		out->value.value =
		        (struct license_value){.name = names[kind][i], .type = VALUE_INTEGER};
	out->value.there = true;
	out->value.value.number = by < 0 ? LICENSE_UNLIMITED : out->value.value.number + by;
	out->source = ENTITLEMENT_ADDON;
}

static bool
is_of(const struct plan_quantity *quantity, int kind, int i)
{
	return text_equal(quantity->name, names[kind][i]);
}

/* The quantity of the plan and the add-ons, in order. */
static void
expect_purchase(const struct model *model, int kind, int i, struct expected *out)
{
	const struct plan_quantity *of_plan = &model->plans.items[0].quantity;

	if (is_of(of_plan, kind, i))
		out->value =
		        (struct some){true,
		                      {.name = names[kind][i],
		                       .type = VALUE_INTEGER,
		                       .number = of_plan->per * model->subscription.quantity}};
	for (int a = 0; a < ADDONS; a++) {
		const struct some *some = &model->addons[a].values[kind][i];
		const struct plan_quantity *quantity = &model->plans.addons[a].quantity;
		int64_t count = model->bought[a], number = some->value.number;

		if (count == 0)
			continue;
		if (kind == VALUE_FEATURE && some->there)
			*out = (struct expected){*some, ENTITLEMENT_ADDON};
		if (kind == VALUE_LIMIT && some->there)
			expect_more(out, kind, i, number < 0 ? number : number * count);
		if (is_of(quantity, kind, i))
			expect_more(out, kind, i, quantity->per * count);
	}
}

/* The reference. */
static struct expected
reference(const struct model *model, int kind, int i, int64_t now_ms)
{
	const struct subscription *subscription = &model->subscription;
	bool sold = text_equal(subscription->plan, "sold") &&
	            !access_is_trial(subscription, now_ms);
	struct expected out = {sold ? model->plan.values[kind][i]
	                            : model->trial.values[kind][i],
	                       ENTITLEMENT_PLAN};
	bool overridden = model->terms.override_features != NULL &&
	                  !(model->terms.override_ends_at.known &&
	                    model->terms.override_ends_at.ms <= now_ms);

	if (sold)
		expect_purchase(model, kind, i, &out);
	if (model->terms.contract_features != NULL && model->contract.values[kind][i].there)
		out = (struct expected){model->contract.values[kind][i], ENTITLEMENT_CONTRACT};
	if (overridden && model->overrides.values[kind][i].there)
		out = (struct expected){model->overrides.values[kind][i], ENTITLEMENT_OVERRIDE};
	return out;
}

static const struct entitlement *
find(const struct entitlement_list *list, const char *name)
{
	const struct entitlement *found = NULL;

	for (size_t i = 0; i < list->count; i++) {
		if (strcmp(list->items[i].value.name, name) != 0)
			continue;
		ck_assert_ptr_null(found);
		found = &list->items[i];
	}
	return found;
}

static void
compare(const struct model *model, const struct entitlements *got, int kind, int i,
        int64_t now_ms)
{
	struct expected wanted = reference(model, kind, i, now_ms);
	const struct entitlement *entitlement =
	        find(kind == VALUE_LIMIT ? &got->limits : &got->features, names[kind][i]);

	ck_assert((entitlement != NULL) == wanted.value.there);
	if (entitlement == NULL)
		return;
	ck_assert_int_eq(entitlement->source, wanted.source);
	ck_assert_int_eq(entitlement->value.type, wanted.value.value.type);
	ck_assert_int_eq(entitlement->value.number, wanted.value.value.number);
	ck_assert_int_eq(entitlement->value.truth, wanted.value.value.truth);
	ck_assert(text_equal(entitlement->value.text, wanted.value.value.text));
	if (wanted.source == ENTITLEMENT_OVERRIDE && model->terms.override_ends_at.known)
		ck_assert(entitlement->until.known &&
		          entitlement->until.ms <= model->terms.override_ends_at.ms);
}

/* The result for the model at the time, compared with the reference. */
static struct entitlements
check_at(const struct model *model, int64_t now_ms)
{
	struct entitlements got;

	entitlements_compute(task.arena, &model->billing, &model->subscription, &model->terms,
	                     now_ms, &got);
	for (int kind = 0; kind < KINDS; kind++)
		for (int i = 0; i < NAMES; i++)
			compare(model, &got, kind, i, now_ms);
	ck_assert(got.access ==
	          (model->subscription.plan != NULL &&
	           access_granted(&model->subscription, &model->billing.policy, now_ms)));
	return got;
}

/* The values of now are no more than those of any later time before the overrides' end, as long as the
 * subscription stays what it is. */
static void
check_end(const struct model *model, int64_t now_ms)
{
	const struct subscription *subscription = &model->subscription;
	struct instant end = entitlements_reduced_at(task.arena, &model->billing, subscription,
	                                             &model->terms, now_ms);
	struct entitlement_values now, later;

	entitlements_values(task.arena, &model->billing, subscription, &model->terms, now_ms,
	                    &now);
	for (int64_t at = now_ms; at < now_ms + 2 * DAY_MS; at += DAY_MS / 4) {
		if ((end.known && at >= end.ms) ||
		    access_is_trial(subscription, now_ms) != access_is_trial(subscription, at))
			break;
		entitlements_values(task.arena, &model->billing, subscription, &model->terms,
		                    at, &later);
		ck_assert(!entitlements_are_more(&now, &later));
	}
}

START_TEST(test_random_layers)
{
	int64_t rounds = getenv("FULL") != NULL ? MANY_ROUNDS : suite_is_slow() ? 100 : ROUNDS;
	static const int64_t steps[] = {-1000, -1, 0, 1, 1000};
	struct model *model = malloc(sizeof(*model));

	state = suite_seed("layers");
	for (int64_t round = 0; round < rounds; round++) {
		draw_model(model);
		for (int i = 0; i < 5; i++) {
			(void)check_at(model, NOW + steps[i]);
			if (model->terms.override_ends_at.known)
				(void)check_at(model,
				               model->terms.override_ends_at.ms + steps[i]);
			if (model->subscription.plan != NULL)
				check_end(model, NOW + steps[i]);
		}
		arena_reset(task.arena);
	}
	free(model);
}
END_TEST

/* Overrides count until their end, to the millisecond, and the end is told. */
START_TEST(test_overrides_end)
{
	struct model *model = arena_alloc(task.arena, sizeof(*model));
	static const int64_t before[] = {SECOND_MS, 1}, behind[] = {0, 1, SECOND_MS};
	struct entitlements got;

	state = 1;
	draw_model(model);
	model->subscription = (struct subscription){.plan = "sold", .status = "active"};
	model->plan.values[VALUE_LIMIT][0] = (struct some){true, draw_value(VALUE_LIMIT, 0)};
	model->billing.plans.items[0].limits = values_of(&model->plan, VALUE_LIMIT);
	model->terms = (struct entitlement_terms){.override_features = "{}",
	                                          .override_limits = "{\"limit0\": null}",
	                                          .override_ends_at = INSTANT_MS(NOW)};
	model->plans.items[0].quantity = model->billing.plans.items[0].quantity =
	        (struct plan_quantity){.name = NULL};
	memset(model->bought, 0, sizeof(model->bought));
	model->overrides = (struct layer){0};
	model->overrides.values[VALUE_LIMIT][0] = (struct some){
	        true,
	        {.name = names[1][0], .type = VALUE_INTEGER, .number = LICENSE_UNLIMITED}};
	for (size_t i = 0; i < 2; i++) {
		got = check_at(model, NOW - before[i]);
		ck_assert_int_eq(find(&got.limits, "limit0")->source, ENTITLEMENT_OVERRIDE);
		ck_assert_int_eq(find(&got.limits, "limit0")->until.ms, NOW);
	}
	for (size_t i = 0; i < 3; i++) {
		got = check_at(model, NOW + behind[i]);
		ck_assert_int_eq(find(&got.limits, "limit0")->source, ENTITLEMENT_PLAN);
		ck_assert(!find(&got.limits, "limit0")->until.known);
	}
}
END_TEST

/* Access ends when it is said to, as far as a date alone decides. */
START_TEST(test_access_ends)
{
	static const struct billing_policy policy = {.past_due_grace_days = 7};
	static const struct subscription ending[] = {
	        {.status = "trialing", .trial_ends_at = {true, NOW}},
	        {.status = "past_due", .past_due_since = {true, NOW - 7 * DAY_MS}},
	        {.status = "active", .price_ends_access_at = {true, NOW}},
	        {.status = "active", .pause_ends_access_at = {true, NOW}},
	        {.status = "active",
	         .contract_id = "con",
	         .starts_at = {true, NOW - DAY_MS},
	         .ends_at = {true, NOW}},
	        {.status = "past_due",
	         .past_due_since = {true, NOW},
	         .hold_ends_access_at = {true, NOW}},
	};
	const struct subscription *subscription = &ending[_i];

	ck_assert(access_granted(subscription, &policy, NOW - SECOND_MS));
	ck_assert(access_granted(subscription, &policy, NOW - 1));
	ck_assert(!access_granted(subscription, &policy, NOW));
	ck_assert(!access_granted(subscription, &policy, NOW + SECOND_MS));
	ck_assert_int_eq(access_until(subscription, &policy, NOW - 1).ms, NOW);
	ck_assert(access_until(subscription, &policy, NOW - SECOND_MS).known);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("layers");
	TCase *tcase = tcase_create("layers");

	tcase_set_timeout(tcase, 300);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_random_layers);
	tcase_add_test(tcase, test_overrides_end);
	tcase_add_loop_test(tcase, test_access_ends, 0, 6);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
