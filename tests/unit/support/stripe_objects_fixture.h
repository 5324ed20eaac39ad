/* stripe_objects_fixture.h: some prices, objects of Stripe's from texts that write ' for ", and
 * functions that write what was read of them as one line. */
#pragma once

#include "support/suite.h"

#include "base/text.h"
#include "subscriptions/sold_items.h"
#include "sync/families.h"
#include "json/view.h"

#define OURS "cust_00112233445566778899aabbccddeeff"
#define SUB "'id':'sub_1','object':'subscription','status':'active'"
#define PRICED "'price':{'id':'price_pro'}"

#define INVOICE                                                                                \
	"'id':'in_1','object':'invoice','status':'paid','currency':'eur','created':1760000000"

static struct task task;

static const struct billing billing = {
        .plans = {.items = {{.id = "starter"}, {.id = "professional"}},
                  .count = 2,
                  .addons = {{.id = "sso"}, {.id = "more"}},
                  .addon_count = 2},
        .plan_prices = {.items = {{"price_starter", "starter", 0},
                                  {"price_pro", "professional", 0},
                                  {"price_pro_yearly", "professional", 1},
                                  {"price_1SFyAbJx2WnvPYtbQ0pro001", "starter", 0},
                                  {"price_1SFyAbJx2WnvPYtbQ0team02", "professional", 0}},
                        .count = 5},
        .addon_prices = {.items = {{"price_sso", "sso", 0},
                                   {"price_more", "more", 0},
                                   {"price_more_yearly", "more", 1}},
                         .count = 3},
};

static const struct operation operation = {.task = &task, .billing = &billing};

static inline void
setup(void)
{
	task = suite_task();
}

static inline void
teardown(void)
{
	suite_task_end(&task);
}

static inline const char *
quoted(const char *text)
{
	char *out = arena_copy(task.arena, text);

	for (char *at = out; *at != '\0'; at++)
		if (*at == '\'')
			*at = '"';
	return out;
}

static inline const struct json_view *
parse(const char *text)
{
	struct json_view *out = arena_alloc(task.arena, sizeof *out);

	ck_assert_msg(json_view_read_foreign(task.arena, quoted(text), strlen(text), out), "%s",
	              text);
	return out;
}

static inline struct sold_subscription
subscription_of(const char *text)
{
	struct sold_subscription out;

	ck_assert_msg(sold_subscription_read(&operation, parse(text), &out), "%s", text);
	return out;
}

/* Reads from a copy of the exact size, so that ASan reports a read beyond it. */
static inline bool
read_event(const char *text, size_t length, struct stripe_event *out)
{
	char *exact = malloc(length ? length : 1);
	struct json_view event;
	bool is_one;

	memcpy(exact, text, length);
	is_one = json_view_read_foreign(task.arena, exact, length, &event) &&
	         event_read(&event, out);
	free(exact);
	return is_one;
}

static inline bool
is_event(const char *text, struct stripe_event *out)
{
	return read_event(quoted(text), strlen(text), out);
}

static inline const char *
or_none(const char *text)
{
	return text == NULL ? "-" : text;
}

static inline long long
seconds(struct instant at)
{
	return at.known ? (long long)(at.ms / SECOND_MS) : -1;
}

static inline const char *
print_subscription(const struct sold_subscription *sold)
{
	const struct stripe_subscription *s = &sold->stripe;
	const struct stripe_item *item = &sold->item;

	return arena_printf(
	        task.arena,
	        "%s of %s (%s) %s item %s price %s plan %s/%lld x%lld period %lld..%lld trial "
	        "%lld cancel %lld asked %lld ended %lld created %lld unpaid %s due %lld%s",
	        s->id, or_none(s->customer), or_none(s->customer_id), s->status,
	        or_none(item->id), or_none(item->price_id), or_none(sold->plan),
	        (long long)sold->position, (long long)item->quantity,
	        seconds(item->period_start), seconds(item->period_end), seconds(s->trial_end),
	        seconds(s->cancel_at), seconds(s->canceled_at), seconds(s->ended_at),
	        seconds(s->created), or_none(s->unpaid_invoice), seconds(s->due_at),
	        s->cancel_at_period_end ? " will end" : "");
}

static inline const char *
print_invoice(const struct stripe_invoice *i)
{
	return arena_printf(
	        task.arena,
	        "%s of %s (%s) for %s number %s %s %s %s %s %s %lld %lld "
	        "created %lld",
	        i->id, or_none(i->customer), or_none(i->customer_id), or_none(i->subscription),
	        or_none(i->number), i->status, or_none(i->billing_reason), i->currency,
	        or_none(i->hosted_invoice_url), or_none(i->invoice_pdf),
	        (long long)i->amount_due, (long long)i->amount_paid, seconds(i->created));
}

static inline const char *
print_ref(const struct event_ref *ref)
{
	return arena_printf(task.arena, "%s %s of %s (%s)", or_none(ref->family),
	                    or_none(ref->subject), or_none(ref->customer),
	                    or_none(event_customer_id(ref)));
}
