/* setup.c: billingctl stripe setup: makes missing products, prices, meters and the webhook
 * endpoint, and prints the settings that follow. Existing objects are found again. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"
#include "billingctl-stripe/account.h"
#include "billingctl-stripe/request.h"
#include "billingctl-stripe/setup.h"
#include "billingctl/output.h"
#include "stripe/form.h"
#include "sync/families.h"
#include "json/view.h"

enum { INCOMPLETE = 3, MONTHS_MAX = 12 };

const struct ctl_exit stripe_setup_exits[] = {
        {INCOMPLETE, "something is missing (with --dry-run)"},
        {0},
};

void
setup_report(struct setup *setup, const char *what, const char *id, const char *state)
{
	if (setup->dry_run && strcmp(state, "there") != 0)
		state = "missing";
	output_row(setup->output);
	output_text(setup->output, "state", state);
	output_text(setup->output, "what", what);
	output_text(setup->output, "id", id);
	setup->incomplete = setup->incomplete || strcmp(state, "missing") == 0;
}

/* The parameters of an endpoint that sends the events this service handles. */
static struct stripe_form
endpoint_form(struct arena *arena)
{
	struct stripe_form form = stripe_form_new(arena);
	const char *type;

	for (size_t i = 0; (type = event_type(EVENT_SUBSCRIBED, i)) != NULL; i++)
		stripe_form_string(&form, arena_printf(arena, "enabled_events[%zu]", i), type);
	return form;
}

/* Writes the signing secret to --secret-out. Stripe sends it only once, so without it the
 * endpoint is useless and is deleted. */
static enum fail
keep_secret(struct ctl *ctl, struct setup *setup, const char *id, const char *secret)
{
	struct arena *arena = ctl->task.arena;
	const char *line = arena_printf(arena, "%s\n", secret);
	enum fail kind;

	if (strcmp(setup->secret_out, "-") == 0) {
		setup->secret = secret;
		return FAIL_NONE;
	}
	kind = file_write(&ctl->task, setup->secret_out, 0600, line, strlen(line), false);
	if (kind != FAIL_NONE)
		request_delete(ctl, stripe_path(arena, "/v1/webhook_endpoints/%s", id));
	return kind;
}

static enum fail
make_endpoint(struct ctl *ctl, struct setup *setup)
{
	struct stripe_form form = endpoint_form(ctl->task.arena);
	const char *id = NULL, *secret = NULL;
	struct json_view object;

	stripe_form_string(&form, "url", setup->url);
	stripe_form_string(&form, "api_version", ctl->settings.stripe_api_version);
	stripe_form_string(&form, "description", "Global Billing");
	TRY(request_post(ctl, "/v1/webhook_endpoints", form.text.data, &object));
	if (!json_view_string(&object, "id", &id) ||
	    !json_view_string(&object, "secret", &secret))
		return task_fail(&ctl->task, FAIL_STRIPE, "stripe_error",
		                 "Stripe made a webhook endpoint but sent no secret.");
	TRY(keep_secret(ctl, setup, id, secret));
	setup_report(setup, setup->url, id, "made");
	return FAIL_NONE;
}

/* Updates everything but the API version, which Stripe does not change. */
static enum fail
update_endpoint(struct ctl *ctl, struct setup *setup, const struct account_endpoint *endpoint)
{
	struct arena *arena = ctl->task.arena;
	struct stripe_form form = endpoint_form(arena);
	struct json_view object;

	stripe_form_bool(&form, "disabled", false);
	if (!setup->dry_run)
		TRY(request_post(ctl,
		                 stripe_path(arena, "/v1/webhook_endpoints/%s", endpoint->id),
		                 form.text.data, &object));
	setup_report(setup, setup->url, endpoint->id, "changed");
	return FAIL_NONE;
}

static bool
is_usable(const struct account_endpoint *endpoint)
{
	return endpoint->id != NULL && endpoint->version_fits;
}

static enum fail
set_up_endpoint(struct ctl *ctl, struct setup *setup)
{
	const struct account_endpoint *endpoint = &setup->endpoint;

	if (is_usable(endpoint) && endpoint->enabled && endpoint->lacks == NULL) {
		setup_report(setup, setup->url, endpoint->id, "there");
		return FAIL_NONE;
	}
	if (is_usable(endpoint))
		return update_endpoint(ctl, setup, endpoint);
	if (!setup->dry_run)
		return make_endpoint(ctl, setup);
	setup_report(setup, setup->url, NULL, "missing");
	return FAIL_NONE;
}

static enum fail
report_portal(struct ctl *ctl, struct setup *setup)
{
	struct json_view list;

	TRY(request_list(ctl, "/v1/billing_portal/configurations",
	                 "is_default=true&active=true", &list));
	if (json_view_count(&list) > 0)
		setup_report(setup, "customer portal", NULL, "there");
	else
		setup_report(setup, "customer portal (save its settings in Stripe's dashboard)",
		             NULL, "missing");
	return FAIL_NONE;
}

/* Reads the options, and refuses what would fail later, before anything is made. */
static enum fail
read_options(struct ctl *ctl, struct setup *setup)
{
	const char *months = ctl_option(ctl, "--yearly");
	const char *url = ctl_option(ctl, "--webhook-url");

	setup->dry_run = ctl_option(ctl, "--dry-run") != NULL;
	setup->url = url == NULL ? account_webhook_url(ctl) : url;
	setup->secret_out = ctl_option(ctl, "--secret-out");
	if (!text_starts_with(setup->url, "https://") &&
	    !text_starts_with(setup->url, "http://"))
		return ctl_usage(ctl, "--webhook-url must start with https://");
	if (months != NULL && (!text_parse_int(months, &setup->yearly_months) ||
	                       setup->yearly_months < 1 || setup->yearly_months > MONTHS_MAX))
		return ctl_usage(ctl, "--yearly must be a number from 1 to 12");
	if (setup->secret_out != NULL && strcmp(setup->secret_out, "-") != 0 &&
	    access(setup->secret_out, F_OK) == 0)
		return task_fail(&ctl->task, FAIL_CONFLICT, "file_exists", "%s exists already.",
		                 setup->secret_out);
	TRY(account_endpoint_find(ctl, setup->url, &setup->endpoint));
	if (!is_usable(&setup->endpoint) && !setup->dry_run && setup->secret_out == NULL)
		return ctl_usage(ctl,
		                 "the webhook endpoint must be made, and its signing secret "
		                 "is sent only once: --secret-out is missing");
	return FAIL_NONE;
}

static const char *
whole_path(struct arena *arena, const char *path)
{
	char *whole = realpath(path, NULL);
	const char *copy = arena_copy(arena, whole == NULL ? path : whole);

	free(whole);
	return copy;
}

/* The lines for the settings' file. */
static const char *
settings_of(struct ctl *ctl, const struct setup *setup)
{
	struct text lines = setup->settings;

	if (setup->secret != NULL)
		text_printf(&lines, "STRIPE_WEBHOOK_SECRET=%s\n", setup->secret);
	else if (setup->secret_out != NULL && !is_usable(&setup->endpoint))
		text_printf(&lines, "STRIPE_WEBHOOK_SECRET_FILE=%s\n",
		            whole_path(ctl->task.arena, setup->secret_out));
	else if (setup->secret_out != NULL || *ctl->settings.stripe_webhook_secret == '\0')
		/* Stripe does not send the secret of an existing endpoint again. */
		text_printf(&lines,
		            "# STRIPE_WEBHOOK_SECRET: that of %s, in Stripe's dashboard\n",
		            setup->endpoint.id);
	if (lines.length > 0)
		lines.data[--lines.length] = '\0';
	return lines.data;
}

enum fail
run_stripe_setup(struct ctl *ctl)
{
	struct output output = output_new(ctl);
	struct setup setup = {.output = &output, .settings = text_new(ctl->task.arena, 256)};

	TRY(request_check_key(ctl));
	TRY(read_options(ctl, &setup));
	output_list(&output, "objects");
	TRY(setup_plans(ctl, &setup));
	TRY(setup_meters(ctl, &setup));
	TRY(set_up_endpoint(ctl, &setup));
	TRY(report_portal(ctl, &setup));
	output_list_end(&output);
	if (!setup.dry_run)
		output_lines(&output, "settings", settings_of(ctl, &setup));
	TRY(output_print(&output));
	ctl->status = setup.dry_run && setup.incomplete ? INCOMPLETE : CTL_DONE;
	return FAIL_NONE;
}
