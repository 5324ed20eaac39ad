/* compose.c: puts a notice together: the vendor's own values, the template, the message. */
#include "notices/compose.h"

#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "billing/customers.h"
#include "notices/names.h"

static struct mailbox
sender_of(struct operation *operation)
{
	struct mailbox out = {.name = "", .address = ""};

	if (*operation->billing->mail.from != '\0')
		(void)mailbox_read(operation->task->arena, operation->billing->mail.from, &out);
	return out;
}

static const char *
account_page(struct operation *operation)
{
	return arena_printf(operation->task->arena, "%s/account/",
	                    operation->billing->mail.base_url);
}

void
notice_common_values(struct operation *operation, struct notice_values *values)
{
	const struct brand *brand = &operation->billing->brand;

	values->of[NOTICE_PRODUCT] = brand->name;
	values->of[NOTICE_SUPPORT] =
	        brand->support != NULL ? brand->support : sender_of(operation).address;
	values->of[NOTICE_ACCOUNT_LINK] = account_page(operation);
}

void
notice_sample_values(struct notice_values *values)
{
	for (size_t i = 0; i < NOTICE_FIELDS; i++)
		values->of[i] = notice_fields[i].sample;
}

void
notice_customer_values(struct task *task, const struct customer *customer,
                       struct notice_values *values)
{
	values->of[NOTICE_CUSTOMER_ID] = customer->customer_id;
	values->of[NOTICE_CUSTOMER_EMAIL] = customer->email;
	values->of[NOTICE_CUSTOMER_NAME] =
	        notice_name(task, customer->company_name, customer->email);
}

void
notice_fill(struct operation *operation, enum notice_kind kind,
            const struct notice_values *values, struct notice_text *out)
{
	notice_template_fill(operation->task->arena,
	                     &operation->billing->mail.templates->kinds[kind], values, out);
}

void
notice_write(struct operation *operation, const struct notice_text *text, const char *to,
             bool is_customer, const char *id, struct mail_message *out)
{
	const struct brand *brand = &operation->billing->brand;
	struct message_head head = {.from = sender_of(operation),
	                            .to = to,
	                            .reply_to = brand_support_is_email(brand) ? brand->support
	                                                                      : NULL,
	                            .opt_out = is_customer ? account_page(operation) : NULL,
	                            .id = id,
	                            .at_ms = operation->now_ms};

	out->sender = head.from.address;
	out->recipient = to;
	out->text = message_write(operation->task->arena, &head, text);
	out->length = strlen(out->text);
}
