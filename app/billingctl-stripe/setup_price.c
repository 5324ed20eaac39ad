/* setup_price.c: makes one price and its product at Stripe. The product's id and the price's
 * lookup key are chosen by us, so that both are found again. */
#include <string.h>

#include "base/arena.h"
#include "billingctl-stripe/request.h"
#include "billingctl-stripe/setup.h"
#include "stripe/form.h"

/* By which the sync knows a price that no setting names. */
static void
add_metadata(struct stripe_form *form, const struct setup_sale *sale)
{
	if (sale->kind != NULL)
		stripe_form_string(form,
		                   arena_printf(form->text.arena, "metadata[%s]", sale->kind),
		                   sale->name);
}

static enum fail
make_product(struct ctl *ctl, struct setup *setup, const struct setup_sale *sale,
             const char *what)
{
	struct stripe_form form = stripe_form_new(ctl->task.arena);
	struct json_view object;

	stripe_form_string(&form, "id", sale->product_id);
	stripe_form_string(&form, "name", sale->product_name);
	add_metadata(&form, sale);
	if (!setup->dry_run)
		TRY(request_post(ctl, "/v1/products", form.text.data, &object));
	setup_report(setup, what, setup->dry_run ? NULL : sale->product_id, "made");
	return FAIL_NONE;
}

/* Finds the product, makes it, or restores it from the archive. */
static enum fail
need_product(struct ctl *ctl, struct setup *setup, struct setup_sale *sale)
{
	struct arena *arena = ctl->task.arena;
	const char *path = stripe_path(arena, "/v1/products/%s", sale->product_id);
	const char *what = arena_printf(arena, "product %s%s",
	                                sale->kind == NULL ? "meter " : "", sale->product_name);
	struct json_view object;
	bool active = false;
	enum fail kind;

	if (sale->product_exists)
		return FAIL_NONE;
	sale->product_exists = true;
	kind = request_get(ctl, path, NULL, &object);
	if (kind == FAIL_NOT_FOUND) {
		task_clear(&ctl->task);
		return make_product(ctl, setup, sale, what);
	}
	TRY(kind);
	if (json_view_bool(&object, "active", &active) && active)
		return FAIL_NONE;
	if (!setup->dry_run)
		TRY(request_post(ctl, path, "active=true", &object));
	setup_report(setup, what, sale->product_id, "changed");
	return FAIL_NONE;
}

static enum fail
find_configured(struct ctl *ctl, const struct setup_sale *sale,
                const struct account_price_spec *spec, const char **out)
{
	const struct price_list *list = sale->configured;
	struct account_price price;

	for (size_t i = 0; i < list->count && *out == NULL; i++) {
		bool there;

		if (strcmp(list->items[i].sells, sale->name) != 0)
			continue;
		TRY(account_price_look(ctl, list->items[i].price_id, &price, &there));
		if (there && account_price_fault(ctl->task.arena, &price, spec) == NULL)
			*out = price.id;
	}
	return FAIL_NONE;
}

static enum fail
find_by_key(struct ctl *ctl, const char *lookup_key, const struct account_price_spec *spec,
            const char **out)
{
	struct stripe_form form = stripe_form_new(ctl->task.arena);
	struct json_view list, item;
	struct account_price price;

	stripe_form_string(&form, "lookup_keys[0]", lookup_key);
	TRY(request_list(ctl, "/v1/prices", form.text.data, &list));
	for (bool more = json_view_first(&list, &item); more && *out == NULL;
	     more = json_view_next(&item)) {
		account_price_read(&item, &price);
		if (account_price_fault(ctl->task.arena, &price, spec) == NULL)
			*out = price.id;
	}
	return FAIL_NONE;
}

/* An older price with the lookup key loses the key and keeps its subscriptions. */
static enum fail
make_price(struct ctl *ctl, const struct setup_sale *sale, const char *lookup_key,
           const struct account_price_spec *spec, const char **out)
{
	struct stripe_form form = stripe_form_new(ctl->task.arena);
	struct json_view object;

	stripe_form_string(&form, "product", sale->product_id);
	stripe_form_string(&form, "currency", spec->currency);
	stripe_form_string(&form, spec->metered ? "unit_amount_decimal" : "unit_amount",
	                   spec->amount);
	stripe_form_string(&form, "recurring[interval]", spec->interval);
	if (spec->interval_count > 1)
		stripe_form_int(&form, "recurring[interval_count]", spec->interval_count);
	stripe_form_string(&form, "recurring[usage_type]", spec->metered ? "metered" : NULL);
	stripe_form_string(&form, "recurring[meter]", spec->meter_id);
	stripe_form_string(&form, "lookup_key", lookup_key);
	stripe_form_bool(&form, "transfer_lookup_key", true);
	add_metadata(&form, sale);
	TRY(request_post(ctl, "/v1/prices", form.text.data, &object));
	if (json_view_string(&object, "id", out))
		return FAIL_NONE;
	return task_fail(&ctl->task, FAIL_STRIPE, "stripe_error",
	                 "Stripe made a price but sent no id.");
}

static void
add_price(struct setup_sale *sale, const char *id)
{
	for (size_t i = 0; i < sale->price_count; i++)
		if (strcmp(sale->price_ids[i], id) == 0)
			return;
	sale->price_ids[sale->price_count++] = id;
}

/* The lookup key of a price: its interval, with what differs from a price by one interval in the
 * first currency. */
static const char *
lookup_key_of(struct arena *arena, const struct setup_sale *sale,
              const struct account_price_spec *spec)
{
	const char *key = arena_printf(arena, "%s_%s", sale->product_id, spec->interval);

	if (spec->interval_count > 1)
		key = arena_printf(arena, "%s_%lld", key, (long long)spec->interval_count);
	if (sale->first_currency != NULL && !text_equal(sale->first_currency, spec->currency))
		key = arena_printf(arena, "%s_%s", key, spec->currency);
	return key;
}

enum fail
setup_price(struct ctl *ctl, struct setup *setup, struct setup_sale *sale,
            const struct account_price_spec *spec, const char *what)
{
	const char *lookup_key = lookup_key_of(ctl->task.arena, sale, spec);
	const char *id = NULL;
	bool there;

	TRY(find_configured(ctl, sale, spec, &id));
	if (id == NULL)
		TRY(find_by_key(ctl, lookup_key, spec, &id));
	there = id != NULL;
	if (!there)
		TRY(need_product(ctl, setup, sale));
	if (!there && !setup->dry_run)
		TRY(make_price(ctl, sale, lookup_key, spec, &id));
	setup_report(setup, what, id, there ? "there" : "made");
	if (id != NULL)
		add_price(sale, id);
	return FAIL_NONE;
}

void
setup_write_prices(struct setup_sale *sale, struct text *setting)
{
	for (size_t i = 0; i < sale->configured->count; i++)
		if (strcmp(sale->configured->items[i].sells, sale->name) == 0)
			add_price(sale, sale->configured->items[i].price_id);
	for (size_t i = 0; i < sale->price_count; i++)
		text_printf(setting, "%s%s:%s", setting->length == 0 ? "" : ",", sale->name,
		            sale->price_ids[i]);
}
