/*
 * send.c: sends the notices that are due, one after the other.
 *
 * A claim lasts longer than an attempt can take: when the process is killed, another one repeats it
 * then. While the database cannot take the server's answer, no other notice is sent.
 */
#include "notices/send.h"

#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "billing/customers.h"
#include "callers/session_links.h"
#include "events/attempts.h"
#include "notices/compose.h"
#include "notices/digest.h"

enum { CLAIM_SLACK_MS = 2000, CLAIM_MAX_US = 1000000 };
enum { QUIET_FIRST_US = 1000000, QUIET_MAX_US = 300000000 };

static bool
is_operator(struct operation *operation, const char *address)
{
	const char *rest = operation->billing->mail.operators, *item;
	size_t length;

	while (text_next_item(&rest, &item, &length))
		if (strlen(address) == length && memcmp(address, item, length) == 0)
			return true;
	return false;
}

static bool
is_to_customer(const struct claimed_notice *notice)
{
	return text_equal(notice->recipient, notice->customer_id);
}

/* Why the notice is not sent any more; NULL: it is. */
static const char *
fault_of(struct operation *operation, const struct claimed_notice *notice)
{
	if (notice_kind_of(notice->kind) == NOTICE_KINDS)
		return "no such kind of notice";
	if (notice->until.known && notice->until.ms <= operation->now_ms)
		return "came too late";
	if (!is_to_customer(notice))
		return is_operator(operation, notice->recipient) ? NULL
		                                                 : "not in MAIL_OPERATORS";
	if (notice->email == NULL)
		return "the customer was deleted";
	if (notice->paid)
		return "was paid meanwhile";
	if (notice->bought)
		return "is no trial any more";
	return notice->wanted ? NULL : "the customer wants none";
}

/* Sets the links of a notice to a customer: the account page, signed in by the link if that is wanted, and
 * where the invoice can be paid. `link` is set when one was made. */
static enum fail
add_links(struct operation *operation, const struct claimed_notice *notice,
          enum notice_kind kind, struct notice_values *values, struct session_link *link)
{
	const struct mail_policy *mail = &operation->billing->mail;
	const struct notice_template *template = &mail->templates->kinds[kind];
	bool pays = notice_template_has(template, NOTICE_PAYMENT_LINK);

	values->of[NOTICE_PAYMENT_LINK] = notice->payment_link;
	if (is_to_customer(notice) && mail->sign_in_links &&
	    (notice_template_has(template, NOTICE_ACCOUNT_LINK) ||
	     (pays && notice->payment_link == NULL))) {
		TRY(session_link_customer(operation, notice->customer_id, LINK_MINUTES_MAX,
		                          link));
		values->of[NOTICE_ACCOUNT_LINK] = link->url;
	}
	if (notice->payment_link == NULL)
		values->of[NOTICE_PAYMENT_LINK] = values->of[NOTICE_ACCOUNT_LINK];
	return FAIL_NONE;
}

static enum fail
compose(struct operation *operation, const struct claimed_notice *notice,
        struct mail_message *out, struct session_link *link)
{
	const struct customer customer = {.customer_id = notice->customer_id,
	                                  .email = notice->email,
	                                  .company_name = notice->company_name};
	enum notice_kind kind = notice_kind_of(notice->kind);
	struct notice_values values = {.of = {NULL}};
	struct notice_text text;

	notice_common_values(operation, &values);
	if (notice->customer_id != NULL)
		notice_customer_values(operation->task, &customer, &values);
	TRY(add_links(operation, notice, kind, &values, link));
	notice_facts_values(operation->task->arena, notice->facts, &values);
	if (kind == NOTICE_DIGEST)
		TRY(notice_digest_values(operation, &values));
	notice_fill(operation, kind, &values, &text);
	notice_write(operation, &text,
	             is_to_customer(notice) ? notice->email : notice->recipient,
	             is_to_customer(notice), notice->notice_id, out);
	return FAIL_NONE;
}

/* After a failure to reach the server the next try is later each time. */
static void
rest(struct notice_sender *sender, const struct mail_answer *answer)
{
	sender->away = !answer->reached;
	if (answer->reached) {
		sender->quiet_us = 0;
		return;
	}
	sender->quiet_us = sender->quiet_us == 0 ? QUIET_FIRST_US : sender->quiet_us * 2;
	if (sender->quiet_us > QUIET_MAX_US)
		sender->quiet_us = QUIET_MAX_US;
	sender->quiet_until_us = clock_monotonic_us() + sender->quiet_us;
}

/* The line has no address, and not the server's words, which may have it. */
static void
log_answer(const struct claimed_notice *notice, const struct mail_answer *answer)
{
	static const char *const texts[] = {
	        [MAIL_ACCEPTED] = "notice sent",
	        [MAIL_REFUSED] = "notice refused for good",
	        [MAIL_DELAYED] = "notice not accepted",
	        [MAIL_LOST] = "answer to notice lost: it may arrive twice",
	};

	log_line(answer->outcome == MAIL_ACCEPTED ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING,
	         texts[answer->outcome], LOG_S("notice", notice->notice_id),
	         LOG_S("kind", notice->kind), LOG_S("customer", notice->customer_id),
	         LOG_I("attempt", notice->attempts), LOG_S("reason", answer->reason));
}

static void
keep(char *out, size_t size, const char *text)
{
	size_t length = text == NULL ? 0 : text_cut(text, size - 1);

	if (length > 0)
		memcpy(out, text, length);
	out[length] = '\0';
}

/* Keeps what is to be written down of an attempt. */
static void
set_answer(struct operation *operation, const struct claimed_notice *notice, const char *state,
           const char *reason)
{
	struct notice_answer *out = &operation->mailer->answer;

	*out = (struct notice_answer){
	        .waits = true, .attempts = notice->attempts, .state = state};
	keep(out->notice_id, sizeof(out->notice_id), notice->notice_id);
	keep(out->reason, sizeof(out->reason), reason);
}

/* Writes the answer down that is kept. The customer has no mail with the link of a message that was not
 * accepted, so that ends. */
static enum fail
write_answer(struct operation *operation)
{
	struct notice_answer *answer = &operation->mailer->answer;
	const struct claimed_notice notice = {.notice_id = answer->notice_id,
	                                      .attempts = answer->attempts};
	enum fail kind;

	if (!answer->waits)
		return FAIL_NONE;
	kind = *answer->link_id == '\0' ? FAIL_NONE
	                                : session_link_end(operation, answer->link_id);
	if (kind == FAIL_NONE)
		kind = notice_end_attempt(operation, &notice, answer->state,
		                          *answer->reason == '\0' ? NULL : answer->reason,
		                          answer->again);
	answer->waits = kind == FAIL_UNAVAILABLE || kind == FAIL_UNCERTAIN;
	return kind;
}

/* A notice that was not accepted is repeated by the schedule, until that ends. */
static void
delay(struct operation *operation, const struct claimed_notice *notice, const char *reason)
{
	struct notice_sender *sender = operation->mailer;
	int64_t due_ms;
	bool again = attempt_next(notice->attempts, operation->now_ms, 0, &due_ms);

	set_answer(operation, notice, again ? "pending" : "failed", reason);
	if (again)
		sender->answer.again = INSTANT_MS(due_ms);
	*(again ? &sender->repeated : &sender->failed) += 1;
}

static void
judge(struct operation *operation, const struct claimed_notice *notice,
      const struct mail_answer *answer, const char *link_id)
{
	struct notice_sender *sender = operation->mailer;

	operation->now_ms = db_now_ms(operation->db);
	if (answer->outcome == MAIL_ACCEPTED) {
		sender->sent++;
		set_answer(operation, notice, "sent", NULL);
	} else if (answer->outcome == MAIL_REFUSED) {
		sender->refused++;
		set_answer(operation, notice, "refused", answer->reason);
	} else {
		delay(operation, notice, answer->reason);
	}
	if (answer->outcome == MAIL_REFUSED || answer->outcome == MAIL_DELAYED)
		keep(sender->answer.link_id, sizeof(sender->answer.link_id), link_id);
}

static enum fail
send_notice(struct operation *operation, const struct claimed_notice *notice)
{
	struct mail_message message;
	struct mail_answer answer;
	struct session_link link = {.link_id = NULL};

	TRY(compose(operation, notice, &message, &link));
	mail_client_send(operation->mailer->client, operation->task->arena, &message, &answer);
	rest(operation->mailer, &answer);
	log_answer(notice, &answer);
	judge(operation, notice, &answer, link.link_id);
	return write_answer(operation);
}

enum fail
notice_send_run(struct operation *operation, int64_t *done)
{
	int64_t claim_ms = operation->billing->mail.timeout_ms + CLAIM_SLACK_MS;
	int64_t begun_us = clock_monotonic_us();
	struct claimed_notice notice;
	const char *fault;
	bool found;

	if (operation->mailer == NULL)
		return FAIL_NONE;
	TRY(write_answer(operation));
	if (begun_us < operation->mailer->quiet_until_us)
		return FAIL_NONE;
	TRY(notice_claim(operation, claim_ms, &notice, &found));
	/* A process that was stopped meanwhile leaves the notice to the next claim. */
	if (!found || clock_monotonic_us() - begun_us > CLAIM_MAX_US)
		return FAIL_NONE;
	*done = 1;
	fault = fault_of(operation, &notice);
	if (fault != NULL)
		return notice_end_attempt(operation, &notice, "dropped", fault, INSTANT_NONE);
	if (notice.attempts > ATTEMPTS_MAX) {
		delay(operation, &notice, "killed at each attempt");
		return write_answer(operation);
	}
	return send_notice(operation, &notice);
}
