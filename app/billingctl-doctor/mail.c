/* mail.c: the check of the mail server and of the notices that it did not take. */
#include "base/arena.h"
#include "billingctl-doctor/doctor.h"
#include "notices/records.h"

/* Signs in to the server, and sends nothing. */
static enum fail
check_server(struct doctor *doctor)
{
	const struct mail_client_options options = app_settings_mail(&doctor->ctl->settings);
	struct mail_client *client = mail_client_new(&options);
	struct mail_answer answer;

	if (client == NULL)
		return WRONG(doctor, "libcurl cannot be initialised.");
	mail_client_try(client, doctor->ctl->task.arena, &answer);
	mail_client_free(client);
	if (answer.outcome == MAIL_ACCEPTED)
		return FAIL_NONE;
	return WRONG(doctor, "The mail server takes no messages (%s)%s%s", answer.reason,
	             *answer.words == '\0' ? "." : ": ", answer.words);
}

enum fail
check_mail(struct doctor *doctor)
{
	struct operation *operation = &doctor->ctl->operation;
	struct notice_figures figures;
	struct notice_faults faults;
	int64_t waited_s;

	if (*doctor->ctl->settings.smtp_url == '\0')
		return doctor_ok(doctor, "SMTP_URL is not set: no notices are sent");
	TRY(check_server(doctor));
	TRY(notice_figures(operation, &figures));
	TRY(notice_faults(operation, &faults));
	waited_s = seconds_since(operation, figures.waiting_since);
	if (waited_s > NOTICE_WAIT_MAX_S)
		return WRONG(doctor, "Notices that wait: %lld, the oldest for %lld s.",
		             (long long)figures.pending, (long long)waited_s);
	if (faults.refused + faults.failed > 0)
		return doctor_warn(
		        doctor,
		        "Notices of the last seven days that were refused: %lld, that "
		        "were given up: %lld",
		        (long long)faults.refused, (long long)faults.failed);
	return doctor_ok(doctor, "the server answers, %lld notices wait",
	                 (long long)figures.pending);
}
