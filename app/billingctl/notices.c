/* notices.c: billingctl notices test and preview. */
#include "notices/compose.h"

#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/random.h"
#include "billing/address.h"
#include "billing/customers.h"
#include "billingctl/output.h"

/* Begins without the database, and reads the templates, also where no mail server is set. */
static enum fail
begin(struct ctl *ctl)
{
	ctl->operation.task = &ctl->task;
	ctl->operation.billing = &ctl->billing;
	ctl->operation.now_ms = clock_now_ms();
	return app_settings_mail_rules(&ctl->task, &ctl->settings, true, &ctl->billing.mail);
}

static struct mail_client *
open_client(struct ctl *ctl)
{
	const struct mail_client_options options = app_settings_mail(&ctl->settings);

	return mail_client_new(&options);
}

static enum fail
require_server(struct ctl *ctl)
{
	return *ctl->settings.smtp_url != '\0'
	               ? FAIL_NONE
	               : task_fail(&ctl->task, FAIL_UNAVAILABLE, "mail_not_configured",
	                           "No notices are sent: SMTP_URL isn't set.");
}

static enum fail
fail_unsent(struct ctl *ctl, const struct mail_answer *answer)
{
	return task_fail(&ctl->task, FAIL_UNAVAILABLE, "mail_not_accepted",
	                 "The mail server did not accept the message (%s)%s%s", answer->reason,
	                 *answer->words == '\0' ? "." : ": ", answer->words);
}

enum fail
run_notices_test(struct ctl *ctl)
{
	struct output output = output_new(ctl);
	const char *id = random_id(ctl->task.arena, "test_", 16);
	struct notice_values values = {.of = {NULL}};
	struct mail_client *client;
	struct mail_answer answer;
	struct mail_message message;
	struct notice_text text;

	TRY(ctl_check_text(ctl, "ADDRESS", ctl->argument, 254, address_check));
	TRY(require_server(ctl));
	TRY(begin(ctl));
	notice_common_values(&ctl->operation, &values);
	notice_fill(&ctl->operation, NOTICE_TEST, &values, &text);
	notice_write(&ctl->operation, &text, ctl->argument, false, id, &message);
	client = open_client(ctl);
	if (client == NULL)
		return task_fail(&ctl->task, FAIL_INTERNAL, "internal_error",
		                 "libcurl cannot be initialised.");
	mail_client_send(client, ctl->task.arena, &message, &answer);
	mail_client_free(client);
	if (answer.outcome != MAIL_ACCEPTED)
		return fail_unsent(ctl, &answer);
	output_text(&output, "accepted", answer.words);
	output_text(&output, "message_id", id);
	return output_print(&output);
}

static enum fail
fail_unknown_template(struct ctl *ctl)
{
	struct text names = text_new(ctl->task.arena, 256);

	for (size_t i = 0; i < NOTICE_KINDS; i++)
		text_printf(&names, "%s%s", i == 0 ? "" : ", ", notice_kinds[i].name);
	return ctl_usage(ctl, "TEMPLATE must be one of: %s", names.data);
}

/* With the values of the customer that --customer names, else with samples. */
static enum fail
read_values(struct ctl *ctl, struct notice_values *values)
{
	const char *customer_id = ctl_option(ctl, "--customer");
	struct customer customer;

	notice_sample_values(values);
	notice_common_values(&ctl->operation, values);
	if (customer_id == NULL)
		return FAIL_NONE;
	TRY(ctl_open_database(ctl));
	TRY(ctl_require_schema(ctl));
	TRY(customer_find(&ctl->operation, customer_id, &customer));
	notice_customer_values(ctl->operation.task, &customer, values);
	return FAIL_NONE;
}

enum fail
run_notices_preview(struct ctl *ctl)
{
	enum notice_kind kind = notice_kind_of(ctl->argument);
	struct output output = output_new(ctl);
	struct notice_values values;
	struct notice_text text;

	if (kind == NOTICE_KINDS)
		return fail_unknown_template(ctl);
	TRY(begin(ctl));
	TRY(read_values(ctl, &values));
	notice_fill(&ctl->operation, kind, &values, &text);
	output_text(&output, "template", notice_kinds[kind].name);
	output_text(&output, "recipient",
	            notice_kinds[kind].operators ? "operators" : "customer");
	output_text(&output, "subject", text.subject);
	output_lines(&output, "body", text.body);
	return output_print(&output);
}
