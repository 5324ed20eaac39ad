/*
 * setup_product.c: the products that prices belong to.
 */
#include "base/arena.h"
#include "base/json_view.h"
#include "billingctl-stripe/request.h"
#include "billingctl-stripe/setup.h"
#include "stripe/form.h"

static const char *
words_of(struct arena *arena, const struct setup_product *product)
{
	return arena_printf(arena, "product %s%s%s", product->kind,
	                    *product->kind == '\0' ? "" : " ", product->name);
}

static enum fail
make_product(struct ctl *ctl, struct setup *setup, const struct setup_product *product)
{
	struct arena *arena = ctl->task.arena;
	struct stripe_form form = stripe_form_new(arena);
	struct json_view object;

	stripe_form_string(&form, "id", product->id);
	stripe_form_string(&form, "name", product->name);
	stripe_form_string(&form, "metadata[plan]", product->plan);
	if (!setup->dry_run)
		TRY(request_post(ctl, "/v1/products", form.text.data, &object));
	setup_report(setup, words_of(arena, product), setup->dry_run ? NULL : product->id,
	             setup_report_change(setup, "made"));
	return FAIL_NONE;
}

enum fail
setup_need_product(struct ctl *ctl, struct setup *setup, struct setup_product *product)
{
	struct arena *arena = ctl->task.arena;
	const char *path = stripe_path(arena, "/v1/products/%s", product->id);
	struct json_view object;
	bool active = false;
	enum fail kind;

	if (product->is_there)
		return FAIL_NONE;
	product->is_there = true;
	kind = request_get(ctl, path, NULL, &object);
	if (kind == FAIL_NOT_FOUND) {
		task_clear(&ctl->task);
		return make_product(ctl, setup, product);
	}
	TRY(kind);
	if (json_view_bool(&object, "active", &active) && active)
		return FAIL_NONE;
	if (!setup->dry_run)
		TRY(request_post(ctl, path, "active=true", &object));
	setup_report(setup, words_of(arena, product), product->id,
	             setup_report_change(setup, "changed"));
	return FAIL_NONE;
}
