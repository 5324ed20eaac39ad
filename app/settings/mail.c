/* mail.c: what follows from the settings of mail. */
#include "settings/settings.h"

#include <string.h>

#include "base/arena.h"
#include "notices/templates.h"

static const int64_t connect_ms = 10000;

static bool
needs_starttls(const struct app_settings *settings)
{
	if (strcmp(settings->smtp_starttls, "auto") == 0)
		return !mail_url_is_local(settings->smtp_url);
	return strcmp(settings->smtp_starttls, "required") == 0;
}

/* A password, or a link that signs in, crosses no network in the clear. */
static bool
is_private(const struct app_settings *settings)
{
	return mail_url_is_tls(settings->smtp_url) || mail_url_is_local(settings->smtp_url) ||
	       needs_starttls(settings);
}

enum fail
app_settings_check_mail(struct task *task, const struct app_settings *settings,
                        bool has_secrets)
{
	const char *fault = NULL;

	if (*settings->smtp_url == '\0')
		return FAIL_NONE;
	if (*settings->mail_from == '\0')
		fault = "SMTP_URL needs MAIL_FROM, the sender of notices";
	else if (*settings->smtp_user != '\0' && !is_private(settings))
		fault = "SMTP_USER needs TLS: set SMTP_STARTTLS=required, or an SMTP_URL that "
		        "begins with smtps://";
	else if (has_secrets &&
	         (*settings->smtp_user == '\0') != (*settings->smtp_password == '\0'))
		fault = "SMTP_USER and SMTP_PASSWORD go together";
	return fault == NULL ? FAIL_NONE
	                     : task_fail(task, FAIL_INVALID, "invalid_setting", "%s", fault);
}

struct mail_client_options
app_settings_mail(const struct app_settings *settings)
{
	int64_t timeout_ms = settings->smtp_timeout_s * 1000;

	return (struct mail_client_options){
	        .url = settings->smtp_url,
	        .user = settings->smtp_user,
	        .password = settings->smtp_password,
	        .ca_file = *settings->smtp_ca_file == '\0' ? NULL : settings->smtp_ca_file,
	        .starttls = needs_starttls(settings),
	        .connect_timeout_ms = timeout_ms < connect_ms ? timeout_ms : connect_ms,
	        .timeout_ms = timeout_ms,
	};
}

enum fail
app_settings_mail_rules(struct task *task, const struct app_settings *settings, bool always,
                        struct mail_policy *out)
{
	struct notice_templates *templates = arena_alloc(task->arena, sizeof(*templates));

	*out = (struct mail_policy){
	        .configured = *settings->smtp_url != '\0',
	        .from = settings->mail_from,
	        .operators = settings->mail_operators,
	        .base_url = settings->base_url,
	        .sign_in_links = settings->mail_sign_in_links && is_private(settings),
	        .timeout_ms = settings->smtp_timeout_s * 1000,
	};
	if (out->configured || always)
		TRY(notice_templates_load(task, settings->mail_templates, templates));
	out->templates = templates;
	return FAIL_NONE;
}
