/*
 * setup_answer.c: what `stripe setup` says of each thing that it looked for.
 */
#include <string.h>

#include "billingctl-stripe/setup.h"
#include "billingctl/output.h"

void
setup_report(struct setup *setup, const char *what, const char *id, const char *state)
{
	output_row(setup->output);
	output_text(setup->output, "state", state);
	output_text(setup->output, "what", what);
	output_text(setup->output, "id", id);
	setup->incomplete = setup->incomplete || strcmp(state, "missing") == 0;
}

const char *
setup_report_change(struct setup *setup, const char *done)
{
	return setup->dry_run ? "missing" : done;
}

void
setup_prices_add(struct setup_prices *prices, const char *id)
{
	for (size_t i = 0; i < prices->count; i++)
		if (strcmp(prices->ids[i], id) == 0)
			return;
	prices->ids[prices->count++] = id;
}

void
setup_prices_write(struct setup_prices *prices, const struct price_list *configured,
                   const char *name, struct text *setting)
{
	for (size_t i = 0; i < configured->count; i++)
		if (strcmp(configured->items[i].sells, name) == 0)
			setup_prices_add(prices, configured->items[i].price_id);
	for (size_t i = 0; i < prices->count; i++)
		text_printf(setting, "%s%s:%s", setting->length == 0 ? "" : ",", name,
		            prices->ids[i]);
}

void
setup_report_price(struct setup *setup, struct setup_prices *prices, const char *what,
                   const char *id, bool there)
{
	setup_report(setup, what, id, there ? "there" : setup_report_change(setup, "made"));
	if (id != NULL)
		setup_prices_add(prices, id);
}
